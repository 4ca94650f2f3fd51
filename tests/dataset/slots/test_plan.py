from collections import Counter
from pathlib import Path

import pytest

from sqlft.card import Column, Relation, SchemaCard, Table
from sqlft.dataset.slots import Failure, Plan
from sqlft.dataset.slots.axes import axes
from sqlft.problems import SqlftError

SHOP = SchemaCard.load(Path(__file__).parents[3] / "data/ecommerce/schema.yaml")
BARE = SchemaCard(tables=[Table(name="zoo.cages", columns=[Column(name="label", type="String")])])


def slots(plan, count, kept=5):
    """The first `count` slots, each round's requests having `kept` pairs that survive."""
    found = []
    for number in range(count):
        while not plan.ready(number):
            plan.learn([kept(found[n]) if callable(kept) else kept for n in plan.open_round])
        found.append(plan.slot(number))
    return found


def plan(card=SHOP, seed=0, size=32, failures=()):
    return Plan(card, seed, size, 5, failures)


def test_the_same_seed_plans_the_same():
    assert slots(plan(), 128) == slots(plan(), 128)
    assert slots(plan(), 128) != slots(plan(seed=1), 128)


def test_slots_do_not_depend_on_when_they_are_asked_for():
    late = plan()
    for _ in range(4):
        late.learn([5] * 32)
    assert [late.slot(number) for number in reversed(range(128))][::-1] == slots(plan(), 128)


def test_a_round_waits_for_the_one_before_the_last():
    waiting = plan()
    assert waiting.ready(63) and not waiting.ready(64)
    waiting.learn([5] * 32)
    assert waiting.ready(95) and not waiting.ready(96)


def test_all_axes_are_covered_evenly():
    found = slots(plan(), 320)
    for axis, most in (("style", 1.1), ("construct", 5)):
        counts = Counter(getattr(slot, axis) for slot in found)
        assert max(counts.values()) <= most * min(counts.values())
    levels = Counter(slot.level for slot in found)
    assert {level: round(levels[level] / 320, 1) for level in levels} == {
        level: pytest.approx(difficulty.share, abs=0.051) for level, difficulty in axes().levels.items()
    }
    assert {slot.window for slot in found} == set(axes().windows)
    assert {slot.term for slot in found} == {"", *(term.term for term in SHOP.glossary)}


def test_what_the_card_lacks_is_not_asked_for():
    found = slots(plan(BARE), 200)
    assert {slot.window for slot in found} == {"all"} and {slot.term for slot in found} == {""}
    assert {tuple(slot.tables) for slot in found} == {("zoo.cages",)}
    asked = {slot.construct for slot in found}
    assert not asked & {"dates", "periods", "join", "absence", "figures", "quantiles"}
    assert {"count", "window", "totals"} <= asked
    with pytest.raises(SqlftError, match="no table"):
        plan(SchemaCard(tables=[]))


def test_easy_pairs_are_about_one_table_and_joins_about_two():
    for slot in slots(plan(), 320):
        assert slot.level in axes().find_construct(slot.construct).levels
        if slot.level == "easy":
            assert len(slot.tables) == 1
        if slot.construct in ("join", "absence"):
            assert slot.tables == ["ecommerce.sessions", "ecommerce.users"]


def test_periods_lie_within_the_data():
    for slot in slots(plan(), 320):
        assert (slot.dates == "") is (slot.window == "all")
        assert not slot.dates or any(str(year) in slot.dates for year in (2021, 2022, 2023, 2024))
        assert slot.window == "all" or "ecommerce.sessions" in slot.tables


def test_later_rounds_go_where_pairs_did_not_survive():
    def kept(slot):
        return 0 if slot.style == "vague" else 5

    even, thin = (Counter(slot.style for slot in slots(plan(), 640, keep)) for keep in (5, kept))
    assert even["vague"] == 80
    assert 120 < thin["vague"] <= 160  # twice its share at most, though none ever survives


def test_failures_decide_what_is_asked_for():
    failures = [
        Failure(category="fraud rate by sessions", construct="shares", terms=["fraud rate of users"], count=3),
        Failure(category="totals row left out", construct="totals", tables=["ecommerce.users"], count=1),
    ]
    found = slots(plan(failures=failures), 384)
    counts = Counter(slot.category for slot in found)
    assert 96 <= counts[""] <= 160  # one of three is about anything: other kinds fail too
    assert abs(counts["fraud rate by sessions"] - 3 * counts["totals row left out"]) <= 3
    assert len({slot.construct for slot in found if not slot.category}) > 10
    for slot in [slot for slot in found if slot.category]:
        if slot.construct == "totals":
            assert slot.tables == ["ecommerce.users"] and slot.term == ""
        else:
            assert (slot.construct, slot.term) == ("shares", "fraud rate of users")


def test_a_relation_of_a_table_with_itself_joins_nothing():
    table = Table(name="t.staff", columns=[Column(name="id", type="UInt8"), Column(name="boss", type="UInt8")])
    card = SchemaCard(tables=[table], relations=[Relation(left="t.staff.boss", right="t.staff.id")])
    assert {tuple(slot.tables) for slot in slots(plan(card), 64)} == {("t.staff",)}
