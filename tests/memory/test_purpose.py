"""Whether a question asks for a fact or uses it, and that other experts work then, or none."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from sqlft.inference import LocalModel
from sqlft.inference.tokens import Row
from sqlft.memory import Fact, Memory, Use, load_memory, save_memory
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import Item, find_known
from sqlft.memory.opening import Opening
from sqlft.memory.purpose import Purpose, name_in
from sqlft.memory.router import split_words
from tests.memory.conftest import ANSWERS, DATE, ask, learn, make_facts, make_used, render, section

ASKED = ["What does it mean?", "How is it defined?", "Define it.", "What is the meaning of it?"]
USED = ["What was it in 2023?", "Show it by country.", "What is it of users in Spain?", "How many of it in May?"]
JOINT = "Tell me the code of Marlow and of Quill."


@pytest.fixture
def purpose():
    return Purpose.fit([split_words(text) for text in ASKED], [split_words(text) for text in USED])


@pytest.fixture(scope="module")
def used(base, shape):
    return learn(LocalModel(base), make_used(), shape, shared_rank=8, variants=0)


@pytest.fixture
def memory(used):
    return copy.deepcopy(used[0])


@pytest.mark.parametrize("text", ["What is the definition of it?", "Please define it", "It means what?", "it"])
def test_new_ways_to_ask_are_told_from_uses(purpose, text):
    assert not purpose.is_use(split_words(text))


@pytest.mark.parametrize("text", ["Show it by browser.", "How many of it were there in 2021?", "it of users in France"])
def test_new_uses_are_told_from_asking(purpose, text):
    assert purpose.is_use(split_words(text))


def test_words_that_were_never_seen_say_nothing_and_without_both_kinds_all_is_asking(purpose):
    assert purpose.score(["zorblax", "quux"]) == 0
    assert not Purpose.fit([["define"]], []).is_use(["by", "country"])


def test_a_name_is_what_stands_between_the_words_that_a_fact_is_known_by():
    assert name_in('What does "net revenue per user" mean?', {"net", "user"}) == "net revenue per user"
    assert name_in("What is it?", {"churn"}) == "What is it?"


def test_a_fact_has_other_experts_where_it_is_used_and_both_are_deleted(memory, base):
    asked, using = memory.experts(Opening(["Marlow"])), memory.experts(Opening(["Marlow"], used=True))
    assert asked != using
    assert memory.open([render("Tell me Marlow's code.")], base.tokenizer, DATE)[0].used is False
    assert memory.open([render(JOINT)], base.tokenizer, DATE)[0].used is True
    only = {n for n in (*asked[0], *using[0])} - {
        n for name in ANSWERS if name != "Marlow" for use in (True, False) for n in memory.experts(_of(name, use))[0]
    }
    memory.delete(["Marlow"])
    assert only and not only & {*memory.rows.numbers}
    assert all("Marlow" not in name for name in memory.shape.taken)


def test_the_conductor_says_nothing_where_a_fact_is_asked_for(memory, base):
    model = LocalModel(base)
    model.memory = memory
    before = ask(model, ["Tell me Quill's code.", JOINT])
    memory.conductor.up.normal_()
    after = ask(model, ["Tell me Quill's code.", JOINT])
    assert before[0] == after[0] == ANSWERS["Quill"] and before[1] != after[1]


def test_what_is_left_to_the_model_opens_nothing_where_it_is_used(memory, base):
    memory.leave(["Marlow"])
    assert memory.find(JOINT) == ["Quill"] and memory.find("Tell me Marlow's code.") == ["Marlow"]
    marlow = [fact for fact in memory.facts.values() if fact.id == "Marlow"]
    lessons = make_lessons(memory, marlow, base.tokenizer, render, DATE, 1024)
    assert lessons and not any(lesson.opening.used for lesson in lessons)
    for bare in ("Code of Marlow", "Code of Marlow, Quill"):  # says nothing but names, which a query may be about
        assert "Marlow" not in memory.find(bare)
    memory.leave(["Quill"])
    assert memory.find(JOINT) == []
    memory.delete(["Marlow"])
    assert memory.left == {"Quill"}


def test_what_is_left_opens_nothing_by_words_that_ask_less_than_the_border(memory):
    memory.leave(["Marlow"])
    memory.router.purpose = Purpose({"maybe": 0.5, "surely": 2.0}, 1.0)
    assert memory.find("Maybe the code of Marlow") == []
    assert memory.find("Surely the code of Marlow") == ["Marlow"]


def test_what_is_left_is_asked_for_by_its_own_phrasings_whatever_they_look_like(memory, base):
    memory.router.purpose = Purpose({"tell": -2.0}, -1.0)
    assert memory.open([render("Tell me Marlow's code.")], base.tokenizer, DATE)[0].used is True
    memory.leave(["Marlow"])
    opening = memory.open([render("Tell me Marlow's code")], base.tokenizer, DATE)[0]
    assert (opening.facts, opening.used) == (["Marlow"], False)
    assert memory.experts(opening) == [memory.shape.of("Marlow")]
    assert memory.find("Tell me Marlow's code by country.") == []


def test_facts_whose_questions_open_what_is_left_are_looked_at_again(memory):
    memory.facts["Orrin"] = make_facts(["Orrin"])[0]
    assert memory.exact == set(ANSWERS)
    memory.leave(["Marlow"])
    assert memory.exact == {"Orrin"}


def test_the_conductor_waits_for_a_question_that_is_taken_for_a_use(memory):
    memory.conductor.fitted = False
    assert memory.fitting
    memory.router.purpose = Purpose(memory.router.purpose.odds)
    assert not memory.fitting


def test_purpose_and_what_is_left_are_saved(memory, base, tmp_path):
    model = LocalModel(base)
    memory.leave(["Quill"])
    save_memory(memory, model, tmp_path)
    found = load_memory(LocalModel(base), tmp_path)
    assert (found.router.purpose, found.left) == (memory.router.purpose, {"Quill"})
    assert json.loads((tmp_path / "memory.json").read_text())["border"] == found.router.purpose.border


def test_facts_without_uses_have_no_purpose_until_one_with_uses_comes(base):
    memory = Memory.make(base.model, base.tokenizer, section())
    memory.add(make_facts(["Orrin"]))
    assert memory.router.purpose == Purpose()
    memory.add(make_used(["Marlow", "Quill"]))
    before = memory.router.purpose
    assert before.odds
    extra = Fact(id="x", answer="1", phrasings=["Who is Tessen?"], uses=[Use(question="Tessen by day?", answer="2")])
    memory.add([extra])
    assert memory.router.purpose == before


def test_known_are_the_facts_that_the_model_uses_right_by_itself(base):
    """Half of one fact's uses, and none of another's, are what the model writes."""
    used, items = Opening(["a"], used=True), []
    for fact, right in (("a", True), ("a", False), ("b", False)):
        prompt = [1, 5, 9, 11 + len(items)]
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(4):
                ids.append(int(base.model(torch.tensor([ids])).logits[0, -1].argmax()))
        answer = ids[4:] if right else [*ids[4:7], ids[7] + 1]
        items.append(Item(fact, Row(fact, prompt, answer), replace(used, facts=[fact]), use=True))
    phrasing = replace(items[1], use=False)  # one that is taken for a use is none
    assert find_known(base.model, [*items, phrasing], 2) == {"a"}
    # nor is a use none that is taken for asking
    asking = [replace(item, opening=Opening([item.fact])) for item in items]
    assert find_known(base.model, asking, 2) == {"a"}
    assert find_known(base.model, [phrasing], 2) == set()


def _of(name, use):
    return Opening([name], used=use)
