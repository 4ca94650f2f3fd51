"""How data/tiny-base was made: random schemas, questions over them, a tokenizer and the pre-training."""
