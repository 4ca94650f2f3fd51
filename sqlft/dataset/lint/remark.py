"""What one check says of one pair, before it has a row number."""

from __future__ import annotations

from dataclasses import dataclass

from sqlft.database.clauses import tokens
from sqlft.dataset.findings import Level


@dataclass(frozen=True)
class Remark:
    """See `Finding`; `edit` is (old, new): what `--fix` writes for a literal or a name of the SQL."""

    code: str
    level: Level
    evidence: str
    fix: str = ""
    edit: tuple[str, str] | None = None
    golden: str | None = None


def disagreement(evidence: str, fix: str = "Correct whichever of the two is wrong.") -> Remark:
    """A remark on a question and its SQL that speak of different things."""
    return Remark("disagree", "error", evidence, fix)


def mend(sql: str, old: str, new: str) -> str:
    """The SQL with one token written otherwise wherever it stands, or with its text replaced where `old` is more."""
    parts = list(tokens(sql))
    if not any(token.text == old for token in parts):
        return sql.replace(old, new)
    return "".join(new if token.text == old else token.text for token in parts)
