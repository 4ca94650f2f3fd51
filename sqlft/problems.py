"""What went wrong, said so that the reader knows what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the user gave.

    Attributes:
        where: File, line and key, or the argument's name.
        what: What was given.
        why: Why it cannot be.
        write: What to write instead; empty where there is nothing to write.
    """

    where: str
    what: str
    why: str
    write: str = ""

    def __str__(self) -> str:
        advice = f" {self.write}" if self.write else ""
        return f"{self.where}: {self.what}: {self.why}.{advice}"


class SqlftError(Exception):
    """The work failed; the message says why and what to do. The command line exits with 1."""

    exit_code = 1


class Interrupted(SqlftError):
    """Ctrl-C or SIGTERM stopped the work, and what was done is kept. The command line exits with 130."""

    exit_code = 130


class WrongUse(SqlftError):
    """What the user gave cannot be: a recipe, an argument, a file. The command line exits with 2.

    Args:
        problems: Everything that was found, collected before raising.
    """

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))
