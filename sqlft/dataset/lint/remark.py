"""What one check says of one pair, before it has a row number."""

from __future__ import annotations

from dataclasses import dataclass

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
