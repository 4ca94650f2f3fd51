"""When two questions, or two queries, are the same text: folded forms to compare by."""

from __future__ import annotations

from sqlft.database.clauses import split_format, tokens


def fold_question(question: str) -> str:
    """The question without case, surplus blanks and closing punctuation."""
    return " ".join(question.casefold().split()).rstrip(" ?.!")


def fold_sql(sql: str) -> str:
    """The query's tokens, one blank apart, case folded outside quotes, without comments, FORMAT and semicolon."""
    code = (token for token in tokens(split_format(sql)[0]) if token.kind not in ("blank", "comment"))
    return " ".join(token.text if token.kind in ("string", "quoted") else token.text.lower() for token in code)
