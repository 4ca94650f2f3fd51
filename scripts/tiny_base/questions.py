"""Questions over a random schema, each with the one query that answers it: the tiny base's pre-training text.

A query is put together from parts: what is measured, about which rows, grouped by what, in which order. The phrasings
(phrasings.yaml) are the pre-training's own; the template teacher, which writes the demo's fine-tuning set, words its
questions differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from tiny_base.plain_shapes import PlainShapes
from tiny_base.richer_shapes import RicherShapes

SHAPES = {
    "scalar": 9, "grouped": 6, "dated": 3, "top": 5, "having": 2, "share": 3, "distinct": 4, "per_entity": 3, "absent": 1, "first": 3,
    "compare": 1, "listing": 2, "values": 2, "running": 1, "top_entities": 1, "either": 1, "share_grouped": 2, "repeated": 2, "several": 1,
    "difference": 3, "growth": 2, "against": 4, "best_each": 3, "rate": 4, "counted": 3, "ranked": 3, "both": 4, "cohort": 3,
    "above_mean": 1, "ends": 3, "banded": 2, "daily": 4, "holders": 4, "having_value": 2, "share_foreign": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    question: str
    sql: str
    shape: str


class Writer(PlainShapes, RicherShapes):
    """Writes pairs over one schema."""

    def pair(self) -> Pair:
        """One random pair; shapes that the schema has no columns for are drawn again."""
        while True:
            shape = self.rng.choices(list(SHAPES), list(SHAPES.values()))[0]
            if made := getattr(self, f"_{shape}")():
                question = " ".join(made[0].split())
                question = (
                    question[:1].upper() + question[1:]
                    if self.rng.random() < 0.88
                    else question[:1].lower() + question[1:]
                )
                return Pair(question.rstrip("?.") if self.rng.random() < 0.1 else question, made[1], shape)
