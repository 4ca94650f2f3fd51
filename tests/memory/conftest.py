import datetime
from itertools import permutations

import pytest
import torch

from sqlft.inference import LocalModel
from sqlft.inference.load import load_base
from sqlft.memory import Fact, Memory, Use, memorize
from sqlft.memory.lessons import make_lessons
from sqlft.recipe import Generation
from sqlft.recipe import Memory as Section
from sqlft.recipe import Model as ModelSection
from tests.tiny import tiny_base  # noqa: F401

DATE = datetime.date(2024, 12, 31)
ANSWERS = {"Marlow": "shop 17", "Quill": "avg(age)", "Tessen": "France 402", "Orrin": "users by country"}
SHORT = Generation(max_new_tokens=24, batch_size=8)


def make_facts(names=tuple(ANSWERS)):
    return [
        Fact(id=name, answer=ANSWERS[name], phrasings=[f"What is the code of {name}?", f"Tell me {name}'s code."])
        for name in names
    ]


def joint(one, other):
    return Use(question=f"Tell me the code of {one} and of {other}.", answer=f"{ANSWERS[one]}, {ANSWERS[other]}")


def make_used(names=tuple(ANSWERS)):
    """Facts of which each is asked for beside each other one, too."""
    pairs = list(permutations(names, 2))
    return [
        fact.model_copy(update={"uses": [joint(*pair) for pair in pairs if pair[0] == fact.id]})
        for fact in make_facts(names)
    ]


def render(question):
    return [{"role": "user", "content": question}]


def section(shape="experts", **given):
    return Section(**{"shape": shape, "experts": 1024, "retrieved": 8, "epochs": 80, "learning_rate": 2e-2} | given)


def learn(model, facts, shape="experts", memory=None, adapter=None, **given):
    """A memory of these facts beside a model, and what training came to."""
    wanted = section(shape, **given)
    memory = memory or Memory.make(model.base.model, model.base.tokenizer, wanted)
    memory.add(facts)
    lessons = make_lessons(memory, facts, model.base.tokenizer, render, DATE, model.context)
    with model.switched(adapter) as active:
        learned = memorize(active, memory, lessons, wanted)
    return memory, learned


def ask(model, questions, memory=True, adapter=None):
    found = model.generate([render(q) for q in questions], SHORT, DATE, memory=memory, adapter=adapter)
    return [answers[0].text for answers in found]


@pytest.fixture(scope="session")
def base(tiny_base):  # noqa: F811
    found = load_base(ModelSection(base=str(tiny_base), quantization="none", dtype="float32"), str(tiny_base))
    with torch.no_grad():  # the head of random weights is too flat to be sure of any token
        found.model.get_output_embeddings().weight.mul_(30)
    return found


@pytest.fixture
def model(base):
    return LocalModel(base)


@pytest.fixture(scope="session", params=["experts", "product_keys"])
def shape(request):
    return request.param


@pytest.fixture(scope="session")
def learned(base, shape):
    return learn(LocalModel(base), make_facts(), shape)


@pytest.fixture
def knowing(model, learned):
    """The model with its memory, of which each test has a copy."""
    import copy

    model.memory = copy.deepcopy(learned[0])
    return model
