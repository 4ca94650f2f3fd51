"""The template teacher: what it promises over any card."""

from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.dataset.template_teacher import TemplateTeacher

CARD = SchemaCard.load(Path(__file__).parents[2] / "data/ecommerce/schema.yaml")


def test_a_seed_gives_the_same_examples_and_another_seed_gives_others() -> None:
    first, again, other = (TemplateTeacher(CARD, seed).examples(50) for seed in (1, 1, 2))
    assert first == again != other


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    assert TemplateTeacher(CARD, 3).examples(600)[:100] == TemplateTeacher(CARD, 3).examples(100)
