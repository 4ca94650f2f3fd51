"""Takes the SQL out of a model's answer: the same rules for base and adapter, so that prose alone costs nobody a point.

The SQL itself is never changed: what comes back is a slice of the answer.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n?(.*?)(?:```|\Z)", re.S)
_STATEMENT = (
    r"(?:\(\s*)*(?:SELECT\b|WITH\s+(?:[^\s,]+\s+AS\s*\(|.{1,200}?\s+AS\s+\w)"
    r"|EXPLAIN\s|INSERT\s+INTO\b|CREATE\s+\w|DROP\s+\w|ALTER\s+TABLE\b)"
)
_LABEL = r"(?:\**(?:\w+[ \t]+)?(?:SQL|query|answer)[^:\n]{0,20}:\**[ \t]*)?"
_START = re.compile(rf"^[ \t]*{_LABEL}({_STATEMENT})", re.I | re.M)
# prose names a SELECT, too: "I cannot answer that with a SELECT.", "no SELECT statement can tell"
_INSIDE = re.compile(rf"\b(?!SELECT(?:[.,:;!?)]|\s+(?:statement|query|clause)\b|\s*\Z))({_STATEMENT})")
_INLINE = re.compile(rf"`({_STATEMENT}[^`\n]*)`")
_NEXT = re.compile(rf"\s*(?:{_STATEMENT})")
_CLAUSES = """SELECT FROM WHERE PREWHERE GROUP HAVING ORDER LIMIT OFFSET UNION INTERSECT EXCEPT FORMAT SETTINGS
    WINDOW QUALIFY SAMPLE ARRAY ANY ALL GLOBAL LEFT RIGHT INNER FULL CROSS ASOF SEMI ANTI JOIN ON USING AND OR AS
    WITH""".split()
# prose begins with a capital and goes on in small letters: "From this table ..."
_GOES_ON = re.compile(rf"(?:{'|'.join(_CLAUSES)}|{'|'.join(_CLAUSES).lower()})\b|[(),]|--|/\*")
_PIECE = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|--[^\n]*|/\*.*?\*/"
    r"|(?P<blank>\n[ \t]*\n\s*)|(?P<end>;)|[(\[{]|[)\]}]",
    re.S,
)
_DECLINES = re.compile(
    r"\b(can ?(not|['’]t)|could ?(not|n['’]t)|unable|impossible|unanswerable|(does|do|is|are)(n['’]t| not)"
    r"|not (possible|available|stored|recorded|known)|no (such|data|information|way|columns?|tables?)"
    r"|no \w+ (is|are) (recorded|stored|kept|available)|nothing|lacks?|missing)\b",
    re.IGNORECASE,
)


def extract_sql(text: str) -> str | None:
    """The first SQL of an answer, without fence, label, prose around it and closing semicolon.

    Args:
        text: Everything that the model answered.

    Returns:
        A slice of `text`, or None where no SELECT is in it. Two statements in a row stay two: the gate refuses them.
    """
    text = text.rpartition("</think>")[2]
    for block in _FENCE.findall(text):
        if re.search(r"\bSELECT\b", block, re.I):
            start = _START.search(block)
            return _trim(block[start.start(1) :] if start and not block[: start.start()].strip() else block)
    start = _START.search(text) or _INLINE.search(text) or _INSIDE.search(text)
    if start is None:
        return None
    if start.re is _INLINE:
        return _trim(start[1])
    statement = _until_prose(text[start.start(1) :])
    return _trim(statement) if re.search(r"\bSELECT\b", statement, re.I) else None


def declines(text: str) -> bool:
    """Whether an answer without SQL says why there is none: that the database cannot tell, or lacks what is asked."""
    return bool(_DECLINES.search(text))


def _until_prose(text: str) -> str:
    depth = 0
    for piece in _PIECE.finditer(text):
        token = piece.group()
        if piece["end"] and not _NEXT.match(text, piece.end()):
            return text[: piece.start()]
        if (
            piece["blank"]
            and depth <= 0
            and not (_GOES_ON.match(text, piece.end()) or text[: piece.start()].rstrip().endswith(","))
        ):
            return text[: piece.start()]
        depth += (token in "([{") - (token in ")]}")
    return text


def _trim(statement: str) -> str:
    return statement.strip().rstrip("; \t\r\n")
