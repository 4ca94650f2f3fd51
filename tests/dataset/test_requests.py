from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.dataset.requests import Requests
from sqlft.dataset.slots import Failure
from sqlft.dataset.slots.axes import axes
from sqlft.problems import WrongUse
from sqlft.recipe import Recipe
from sqlft.records import read_examples

DATA = Path(__file__).parents[2] / "data/ecommerce"
CARD = SchemaCard.load(DATA / "schema.yaml")
SEEDS = read_examples(DATA / "seeds.jsonl")


def requests(failures=(), docs=None, **section):
    recipe = Recipe(schema="s.yaml", seeds="s.jsonl", golden="g.jsonl", teacher=section)
    return Requests(recipe, CARD, SEEDS, failures, docs)


def prompt(made, number):
    return made.chat(number)[0]["content"]


def test_a_prompt_says_its_slot():
    made = requests()
    for number in range(64):
        slot, text = made.slot(number), prompt(made, number)
        assert f"Difficulty: {slot.level}. {axes().levels[slot.level].text}" in text
        assert axes().find_construct(slot.construct).text in text
        assert axes().styles[slot.style] in text and " and ".join(slot.tables) in text
        assert (slot.dates or "over all of the data") in text
        assert (f"Use the term: {slot.term}." in text) is bool(slot.term)
        assert "fraud rate of users: visitors with" in text  # the glossary


def test_prompts_share_their_beginning():
    """Endpoints charge half for a beginning that they have seen, from 1,024 tokens on."""
    texts = [prompt(requests(), number) for number in range(20)]
    shared = next(i for i, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1)
    assert shared > 4 * 1024 and max(map(len, texts)) < shared + 2500


def test_the_seeds_shown_have_the_slot_s_construct():
    made = requests()
    shown = {seed.question: seed for seed in SEEDS}
    for number in range(64):
        construct = axes().find_construct(made.slot(number).construct)
        lines = [line for line in prompt(made, number).splitlines() if line.startswith("Question: ")]
        seeds = [shown[line.removeprefix("Question: ")] for line in lines]
        fitting = [s for s in SEEDS if construct.is_in(s.sql) or set(construct.tags) & set(s.tags)]
        assert len(seeds) == 3 and sum(seed in fitting for seed in seeds) == min(3, len(fitting))


def test_the_engine_s_documentation_of_the_construct_is_shown():
    made = requests(docs={"uniqExact": "Counts values.", "argMax": "Takes a value."})
    texts = {made.slot(number).construct: prompt(made, number) for number in range(128)}
    assert "- uniqExact: Counts values." in texts["distinct"] and "argMax" not in texts["distinct"]
    assert "documentation" not in texts["having"]


def test_failures_are_named_and_want_slots():
    failures = [Failure(category="joins that multiply rows", construct="join")]
    text = prompt(requests(failures), 0)
    assert "what it still gets wrong: joins that multiply rows." in text and "JOIN of the tables" in text
    with pytest.raises(WrongUse, match=r"teacher.slots: false.*--from-failures"):
        requests(failures, slots=False)


def test_without_slots_the_teacher_chooses():
    made = requests(slots=False)
    assert made.slot(0) is None and made.ready(10**6)
    assert "Range from one condition" in prompt(made, 0) and "Difficulty" not in prompt(made, 0)
