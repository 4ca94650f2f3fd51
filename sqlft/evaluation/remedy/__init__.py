"""What to do about wrong answers: common mistakes, what training has near them, what to ask a teacher for."""
