"""What is wrong with one row of a set: the form in which every check of `sqlft build` and `sqlft lint` answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing about one row.

    Attributes:
        row: The row, from 0, in the file's order.
        code: What it is: 'unknown_literal', 'leak_exact', ….
        level: 'error' is wrong; 'warning' should be looked at; 'note' is the rest.
        evidence: What was seen, in one sentence.
        fix: What to write instead, where that is known.
        golden: The golden question, where the code begins with 'leak'.
    """

    row: int
    code: str
    level: Level
    evidence: str
    fix: str = ""
    golden: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `sqlft lint --json` prints it: `golden` only where there is one."""
        return {key: value for key, value in vars(self).items() if key != "golden" or value is not None}
