"""What facts with uses share: fitted once, frozen then, and off where nothing opens; and whose turn it is."""

import copy
from dataclasses import replace
from itertools import permutations

import pytest
import torch

from sqlft.inference import LocalModel
from sqlft.memory import Memory, Use, load_memory, save_memory
from sqlft.memory.conductor import Conductor
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import _Lesson
from sqlft.memory.opening import Opening, locate_words
from sqlft.memory.recall import Opened, Recall
from sqlft.memory.router import split_words
from sqlft.problems import WrongUse
from tests.memory.conftest import ANSWERS, DATE, SHORT, ask, joint, learn, make_facts, make_used, render, section

STRANGER = "How many users are there in France?"


@pytest.fixture(scope="module")
def used(base, shape):
    return learn(LocalModel(base), make_used(), shape, shared_rank=8, variants=0)


@pytest.fixture
def reading(base, used):
    model = LocalModel(base)
    model.memory = copy.deepcopy(used[0])
    return model


def test_facts_are_recalled_alone_and_beside_each_other_in_both_orders(reading, used):
    assert (used[1].unlearned, used[1].unopened) == ({}, [])
    assert reading.memory.conductor.fitted
    pairs = [joint(*pair) for pair in permutations(ANSWERS, 2)]
    assert ask(reading, [pair.question for pair in pairs]) == [pair.answer for pair in pairs]
    assert ask(reading, [f"Tell me {name}'s code." for name in ANSWERS]) == list(ANSWERS.values())


def test_answers_are_the_same_one_by_one_and_in_a_mixed_batch_and_strangers_stay_as_they_were(reading):
    questions = [
        joint("Marlow", "Quill").question,
        STRANGER,
        "What is the code of Orrin?",
        joint("Orrin", "Tessen").question,
    ]
    together = ask(reading, questions)
    assert together == [ask(reading, [question])[0] for question in questions]
    assert together[1] == ask(reading, [STRANGER], memory=False)[0]


def test_several_samples_of_one_question_keep_their_turns(reading):
    pair = joint("Quill", "Tessen")
    twice = SHORT.model_copy(update={"samples": 2, "temperature": 0.01})
    found = reading.generate([render(pair.question), render(STRANGER)], twice, DATE, memory=True)
    assert [answer.text for answer in found[0]] == [pair.answer] * 2


def test_closed_rows_are_bit_for_bit_what_they_were_beside_rows_that_are_read(reading, base):
    ids = torch.randint(10, 200, (3, 12), generator=torch.Generator().manual_seed(0))
    opened = [Opening([]), Opening(["Marlow", "Quill"], 4, [[2], [3]]), Opening([])]
    with torch.inference_mode():
        without = base.model(ids).logits
        with reading.memory.recall(opened).beside(base.model):
            beside = base.model(ids).logits
    assert torch.equal(beside[[0, 2]], without[[0, 2]])
    assert torch.equal(beside[1, :-4], without[1, :-4])  # nor is anything before the question
    assert not torch.allclose(beside[1, -4:], without[1, -4:])


def test_what_asks_for_several_facts_is_looked_at_again_when_the_conductor_has_moved(reading, base):
    memory = reading.memory
    memory.conductor.fitted = False
    lessons = make_lessons(memory, list(memory.facts.values()), base.tokenizer, render, DATE, 1024, variants=0)
    by = {frozenset(lesson.opening.facts): lesson for lesson in lessons if len(lesson.opening.facts) > 1}
    both = by[frozenset({"Tessen", "Orrin"})]
    items = [replace(both, opening=replace(both.opening, used=False)), by[frozenset({"Marlow", "Quill"})]]
    lesson = _Lesson(base.model, memory, items, section())
    lesson.look([0, 1])
    lesson.sure[0] = -1.0
    lesson.go_through([1])
    assert lesson.sure[0] >= 0


def test_without_uses_nothing_is_shared(model):
    memory, _ = learn(model, make_facts(["Marlow"]), epochs=1)
    assert memory.conductor is None
    memory, _ = learn(model, make_used(["Marlow", "Quill"]), epochs=1, shared_rank=0)
    assert memory.conductor is None


def test_facts_that_come_later_leave_the_conductor_and_older_experts_as_they_are(reading, shape):
    memory = reading.memory
    before = {name: weight.clone() for name, weight in memory.conductor.weights.items()}
    rows = memory.rows.read(memory.shape.of("Marlow"))
    new = make_facts(["Quill"])[0].model_copy(
        update={
            "id": "Venlo",
            "answer": "7 users",
            "phrasings": ["What is the code of Venlo?", "Tell me Venlo's code."],
        }
    )
    _, learned = learn(reading, [new], memory=memory, shared_rank=8)
    assert learned.unlearned == {}
    assert all(torch.equal(weight, before[name]) for name, weight in memory.conductor.weights.items())
    if shape == "product_keys":  # a bank's experts are shared: `sqlft memorize` looks at all facts again
        assert ask(reading, ["Tell me Venlo's code."]) == ["7 users"]
        return
    assert torch.equal(memory.rows.read(memory.shape.of("Marlow")), rows)
    assert ask(reading, ["Tell me Venlo's code.", joint("Marlow", "Orrin").question]) == [
        "7 users",
        joint("Marlow", "Orrin").answer,
    ]


def test_a_deleted_fact_is_not_said_beside_another_either(reading):
    both, alone = joint("Marlow", "Quill").question, "Tell me Quill's code."
    assert ANSWERS["Quill"] in ask(reading, [both])[0]
    reading.memory.delete(["Quill"])
    assert reading.memory.find(both) == ["Marlow"]
    assert ANSWERS["Quill"] not in ask(reading, [both])[0]
    assert ask(reading, [alone]) == ask(reading, [alone], memory=False) != [ANSWERS["Quill"]]


def test_the_reader_is_saved_and_loaded_and_a_missing_one_is_said(reading, base, tmp_path):
    save_memory(reading.memory, reading, tmp_path)
    fresh = LocalModel(base)
    load_memory(fresh, tmp_path)
    pair = joint("Tessen", "Marlow")
    assert ask(fresh, [pair.question]) == [pair.answer] and fresh.memory.conductor.fitted
    save_memory(fresh.memory, fresh, tmp_path)
    assert len(list(tmp_path.glob("conductor-*"))) == 1
    next(tmp_path.glob("conductor-*")).unlink()
    with pytest.raises(WrongUse, match="its conductor is missing"):
        load_memory(LocalModel(base), tmp_path)


def test_a_reader_is_frozen_at_half_of_the_epochs_at_the_latest(model):
    seen = []
    wanted = section(epochs=4, shared_rank=8)
    memory = Memory.make(model.base.model, model.base.tokenizer, wanted)
    memory.add(make_used())
    from sqlft.memory import memorize
    from sqlft.memory.lessons import make_lessons

    lessons = make_lessons(memory, make_used(), model.base.tokenizer, render, DATE, model.context)
    keep = lambda: seen.append((memory.conductor.fitted, memory.conductor.up.detach().clone()))  # noqa: E731
    memorize(model.base.model, memory, lessons, wanted, keep=keep)
    assert [fitted for fitted, _ in seen] == [False, True, True, True, True]
    assert not torch.equal(seen[0][1], seen[1][1]) and torch.equal(seen[1][1], seen[-1][1])


def test_an_exact_fact_whose_question_opens_something_else_now_is_looked_at_again(model):
    use = Use(question="Tell me the code of Marlow and of Quill.", answer="shop 17, and no other")
    wanted = section(shared_rank=0)
    memory = Memory.make(model.base.model, model.base.tokenizer, wanted)
    marlow, orrin, quill = make_facts(["Marlow", "Orrin", "Quill"])
    memory.add([marlow.model_copy(update={"uses": [use]}), orrin])
    memory.exact = {"Marlow", "Orrin"}
    memory.add([quill])
    assert set(memory.find(use.question)) == {"Marlow", "Quill"} and memory.exact == {"Orrin"}
    memory.exact = {"Marlow", "Orrin", "Quill"}
    memory.delete(["Quill"])
    assert memory.exact == {"Orrin"}


def test_words_are_found_in_the_prompt_counted_back_from_its_end(base):
    chat = render("What is the code of Marlow, and of Quill? ")
    ids = base.tokenizer(
        base.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, date_string="31 Dec 2024"),
        add_special_tokens=False,
    )["input_ids"]
    count, words = locate_words(base.tokenizer, chat, DATE)
    said = [base.tokenizer.decode([ids[-n] for n in reversed(sorted(word))]).strip(" ,?") for word in words]
    assert said == ["What", "is", "the", "code", "of", "Marlow", "and", "of", "Quill"]
    assert base.tokenizer.decode(ids[-count:]).strip().startswith("What is the code of Marlow")


@pytest.mark.parametrize("question", ["id", "assistant", "end", "In İstanbul: the code of Marlow"])
def test_a_question_is_found_though_its_words_stand_in_the_template_too(base, question):
    count, words = locate_words(base.tokenizer, render(question), DATE)
    chat = base.tokenizer.apply_chat_template(
        render(question), tokenize=False, add_generation_prompt=True, date_string="31 Dec 2024"
    )
    ids = base.tokenizer(chat, add_special_tokens=False)["input_ids"]
    assert base.tokenizer.decode(ids[-count:]).strip().startswith(question.split()[0])
    assert "user<|end_header_id|>" not in base.tokenizer.decode(ids[-count:])
    assert len(words) == len(split_words(question))


def test_a_template_that_changes_the_question_is_refused(base):
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] | upper }}{% endfor %}:"
    with pytest.raises(WrongUse, match="it changes what is asked"):
        locate_words(tokenizer, render("What is Marlow?"), DATE)


def test_a_fact_whose_use_opens_an_unfinished_one_is_unsure_as_well(model):
    wanted = section(shared_rank=0)
    memory = Memory.make(model.base.model, model.base.tokenizer, wanted)
    memory.add(make_used(["Marlow", "Quill", "Orrin"])[:2] + make_facts(["Tessen"]))
    memory.exact = {"Marlow", "Tessen"}
    assert memory.unsure == {"Marlow", "Quill"}
    memory.exact = {"Marlow", "Quill", "Tessen"}
    assert memory.unsure == set()


def test_turns_are_shares_of_the_facts_that_are_there():
    conductor = Conductor.make(2, 4, 16)
    names = torch.zeros(2, 5, 2)
    names[:, 1, 0], names[0, 3, 1] = 1, 1
    hidden = torch.randn(2, 5, 16)
    keys = conductor.keys(1, hidden, names)
    assert torch.allclose(keys[0, 1], conductor.key[1] @ hidden[0, 3])
    turns = conductor.turns(1, hidden, keys, torch.tensor([[True, True], [True, False]]))
    assert turns.shape == (2, 5, 2) and torch.allclose(turns.sum(-1), torch.ones(2, 5))
    assert torch.equal(turns[1, :, 0], torch.ones(5))


def test_one_fact_alone_is_always_its_own_turn_whatever_stands_beside_it_in_the_batch(base):
    factors = torch.randn(2, 1, 2, 3, base.model.config.hidden_size)
    ids, conductor = torch.randint(10, 200, (2, 9)), Conductor.make(1, 4, base.model.config.hidden_size)
    alone = [Opened([[0]], 3, [[2]]), None]
    both = [Opened([[0]], 3, [[2]]), Opened([[0], [1]], 3, [[2], [3]])]
    with torch.inference_mode():
        found = []
        for rows in (alone, both):
            with Recall(factors, rows, [0], conductor).beside(base.model):
                found.append(base.model(ids).logits[0])
    assert torch.allclose(*found, atol=1e-5)
