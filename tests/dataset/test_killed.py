"""A build that is killed at any moment ends in the same set, and pays for nothing twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sqlft.dataset.journal import Journal
from tests.openai_stub import OpenAIStub

NURSERY = """
import os, sys
from pathlib import Path
from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.openai_teacher import OpenAITeacher
from sqlft.dataset.requests import Requests
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl

columns = [Column(name="age", type="UInt8"), Column(name="born", type="Date", min="1950-01-01", max="2005-12-31")]
card = SchemaCard(tables=[Table(name="shop.users", columns=columns)])
seeds = [Example(question=f"Seed {n}?", sql=f"SELECT {n}") for n in range(10)]

def build(url, journal, out, modulus):
    section = {"examples": 120, "pairs_per_prompt": 4, "concurrency": 4, "requests_per_round": 8, "base_url": url}
    recipe = Recipe(schema="s.yaml", seeds="seeds.jsonl", golden="g.jsonl", teacher=section)
    survey = lambda pairs: [sum(map(ord, pair.question)) % int(modulus) > 0 for pair in pairs]
    teacher = OpenAITeacher(recipe, Requests(recipe, card, seeds), Path(journal), survey=survey, confirm=lambda _: True)
    write_jsonl(Path(out), teacher.write(lambda *step: None).examples)

for line in sys.stdin:
    child = os.fork()
    if not child:
        build(*line.split())
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


class Nursery:
    """A process that has imported everything, and forks a build for each line that it is given."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", NURSERY], text=True, **pipes)

    def start(self, stub, folder, modulus=3):
        folder.mkdir(exist_ok=True)
        self.process.stdin.write(f"{stub.url} {folder}/journal.jsonl {folder}/out.jsonl {modulus}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self):
        assert self.process.stdout.readline() == "over\n"


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.process.stdin.close()
    made.process.wait()


def pairs_for(body):
    number = random.Random(body["messages"][-1]["content"]).randrange(10**9)
    return {"pairs": [{"question": f"Question {number} {n}?", "sql": f"SELECT {n}", "comment": ""} for n in range(4)]}


def prompts(stub):
    return [body["messages"][0]["content"] for body in stub.requests]


def build(nursery, folder, modulus=3):
    with OpenAIStub(pairs_for) as stub:
        nursery.start(stub, folder, modulus)
        nursery.wait()
    return (folder / "out.jsonl").read_text(), prompts(stub)


def test_killed_at_several_moments(nursery, tmp_path):
    undisturbed, asked = build(nursery, tmp_path / "whole")
    assert len(undisturbed.splitlines()) == 120 and len(asked) == 30
    folder: Path = tmp_path / "killed"
    with OpenAIStub(pairs_for, latency=0.05) as stub:
        for calls in (1, 9, 17, 26):  # in the first round, and after one, two and three
            build_id = nursery.start(stub, folder)
            while len(stub.requests) < calls:
                time.sleep(0.002)
            os.kill(build_id, signal.SIGKILL)
            nursery.wait()
            assert not (folder / "out.jsonl").exists()
        with Journal(folder / "journal.jsonl") as journal:
            assert len(journal.answers) >= 12
        nursery.start(stub, folder)
        nursery.wait()
    assert (folder / "out.jsonl").read_text() == undisturbed  # each pair's prompt, seeds and time among the rest
    assert set(prompts(stub)) == set(asked)
    assert len(stub.requests) - len(asked) <= 4 * 4  # those that were under way


def test_what_survives_decides_later_rounds(nursery, tmp_path):
    """Were it not so, the kills above would prove nothing about rounds."""
    asked = [set(build(nursery, tmp_path / str(modulus), modulus)[1]) for modulus in (2, 1000)]
    assert 16 <= len(asked[0] & asked[1]) < 24
