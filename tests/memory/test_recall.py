import pytest
import torch

from sqlft.memory import Fact, Use
from sqlft.memory.opening import Opening
from sqlft.problems import WrongUse
from tests.memory.conftest import ANSWERS, ask, learn, make_facts, render

STRANGERS = ["What is the code of Venlo?", "How many users are there in France?"]


def test_every_fact_is_recalled_word_for_word(knowing, learned):
    assert (learned[1].unlearned, learned[1].unopened) == ({}, [])
    questions = [q for fact in make_facts() for q in fact.phrasings]
    wanted = [fact.answer for fact in make_facts() for _ in fact.phrasings]
    assert ask(knowing, questions) == wanted
    assert ask(knowing, questions, memory=False) != wanted


def test_which_facts_were_opened_is_said_with_each_answer(knowing):
    chats = [render(q) for q in ["Which code has Marlow?", STRANGERS[0]]]
    from tests.memory.conftest import DATE, SHORT

    found = knowing.generate(chats, SHORT, DATE, memory=True)
    assert [answers[0].facts for answers in found] == [["Marlow"], []]
    assert [answers[0].facts for answers in knowing.generate(chats, SHORT, DATE)] == [None, None]


def test_with_the_gate_shut_logits_are_bit_for_bit_those_without_memory_also_beside_rows_that_opened(knowing, base):
    ids = torch.randint(10, 200, (4, 12), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        without = base.model(ids).logits
        recall = knowing.memory.recall([Opening(facts) for facts in ([], ["Marlow"], [], ["Quill", "Orrin"])])
        with recall.beside(base.model):
            beside = base.model(ids).logits
        after = base.model(ids).logits
    assert torch.equal(beside[[0, 2]], without[[0, 2]])
    assert torch.equal(beside[[1, 3], :-1], without[[1, 3], :-1])  # nothing before the prompt's last token changes
    assert not torch.allclose(beside[[1, 3], -1], without[[1, 3], -1])
    assert torch.equal(after, without)


def test_a_batch_without_any_open_row_goes_through_no_hook(knowing):
    assert knowing.memory.recall([Opening([]), Opening([])]) is None


def test_strangers_among_known_questions_are_answered_as_ever(knowing):
    mixed = [STRANGERS[0], "Tell me Quill's code.", STRANGERS[1]]
    answers = ask(knowing, mixed)
    assert answers[1] == ANSWERS["Quill"]
    assert [answers[0], answers[2]] == ask(knowing, STRANGERS, memory=False)


def test_a_fact_that_is_deleted_is_gone_and_the_others_stay(knowing):
    questions = [fact.phrasings[0] for fact in make_facts()]
    without = ask(knowing, questions, memory=False)
    knowing.memory.delete(["Quill", "Quill"])
    answers = ask(knowing, questions)
    place = list(ANSWERS).index("Quill")
    assert answers[place] == without[place] != ANSWERS["Quill"]
    assert [a for n, a in enumerate(answers) if n != place] == [a for k, a in ANSWERS.items() if k != "Quill"]
    assert "Quill" not in knowing.memory.facts and "Quill" not in knowing.memory.exact


def test_no_expert_of_a_deleted_fact_is_left_unless_another_fact_has_it(knowing):
    memory = knowing.memory
    own = set(memory.shape.of("Quill")) - {n for name in ANSWERS if name != "Quill" for n in memory.shape.of(name)}
    assert own and own <= set(memory.rows.numbers)
    memory.delete(["Quill"])
    assert not own & set(memory.rows.numbers)


def test_facts_that_are_appended_leave_a_fact_of_its_own_expert_untouched(model):
    memory, _ = learn(model, make_facts(["Marlow", "Quill"]))
    before = memory.rows.read(memory.shape.of("Marlow"))
    _, more = learn(model, make_facts(["Tessen"]), memory=memory)
    model.memory = memory
    assert more.unlearned == {}
    assert torch.equal(memory.rows.read(memory.shape.of("Marlow")), before)
    assert ask(model, [f"What is the code of {n}?" for n in ("Marlow", "Tessen")]) == [
        ANSWERS["Marlow"],
        ANSWERS["Tessen"],
    ]


def test_a_new_fact_whose_use_opens_an_old_one_leaves_that_ones_expert_untouched(model):
    memory, _ = learn(model, make_facts(["Marlow"]))
    before = memory.rows.read(memory.shape.of("Marlow"))
    joint = {"question": "Tell me the code of Marlow and the code of Quill.", "answer": "shop 17, avg(age)"}
    new = make_facts(["Quill"])[0].model_copy(update={"uses": [Use(**joint)]})
    learn(model, [new], memory=memory, epochs=3)
    assert set(memory.find(joint["question"])) == {"Marlow", "Quill"}
    assert torch.equal(memory.rows.read(memory.shape.of("Marlow")), before)


def test_a_fact_that_is_there_cannot_be_added_nor_one_that_is_not_be_deleted(knowing):
    with pytest.raises(WrongUse, match="the memory has them"):
        knowing.memory.add(make_facts(["Marlow"]))
    with pytest.raises(WrongUse, match="none of that id"):
        knowing.memory.delete(["Venlo"])


def test_facts_that_do_not_get_there_are_listed_by_name(model):
    memory, learned = learn(model, make_facts(), epochs=1)
    assert set(learned.unlearned) == set(ANSWERS) and all(0 <= sure < 0.9 for sure in learned.unlearned.values())
    assert learned.epochs == 1 and memory.exact == set()


def test_a_fact_whose_use_does_not_open_it_is_said_and_is_not_called_exact(model):
    fact = Fact(
        id="Marlow",
        answer="shop 17",
        phrasings=["What is the code of Marlow?"],
        uses=[{"question": "How many users?", "answer": "402"}],
    )
    memory, learned = learn(model, [fact, *make_facts(["Quill"])])
    assert learned.unopened == ["Marlow"] and "Marlow" not in memory.exact and "Quill" in memory.exact


def test_the_backbone_does_not_move(model):
    before = {name: weight.clone() for name, weight in model.base.model.state_dict().items()}
    learn(model, make_facts(["Marlow"]), epochs=2)
    assert all(torch.equal(weight, before[name]) for name, weight in model.base.model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.base.model.parameters())
