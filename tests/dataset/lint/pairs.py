"""Pairs of the demo shop for the checks' tests."""

from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.database import QueryError, Result
from sqlft.dataset.lint.pair import Pair

DATA = Path(__file__).parents[3] / "data" / "ecommerce"
CARD = SchemaCard.load(DATA / "schema.yaml")
S, U = "ecommerce.sessions", "ecommerce.users"
BOTH = f"{S} AS s JOIN {U} AS u ON s.user_id = u.user_id"


def pair(
    question: str, sql: str, outcome: Result | QueryError | None = None, row: int = 0, card: SchemaCard | None = CARD
) -> Pair:
    return Pair(row, question, sql, card, outcome=outcome)


def codes(remarks) -> list[str]:
    return [remark.code for remark in remarks]


def result(*rows, columns=None) -> Result:
    return Result(columns=columns or [f"c{n}" for n in range(len(rows[0]) if rows else 1)], rows=list(rows))
