import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.batch_teacher import BatchTeacher
from sqlft.dataset.journal import Journal
from sqlft.dataset.purse import Purse
from sqlft.dataset.requests import Requests
from sqlft.dataset.second_opinion import SecondOpinion
from sqlft.inference.batch import BatchApi
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Recipe
from tests.openai_stub import CREATED

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt8", min=18, max=90)])])


class BatchStub:
    """Files and batches on loopback. A batch is over at the third look; `fails` says which of its requests fail."""

    def __init__(self):
        self.files, self.batches, self.looks, self.asked = {}, {}, 0, []
        self.fails = lambda attempt, place: False
        self.says = lambda prompt, place: {"pairs": pairs_for(prompt)}
        self.status, self.refuse = "completed", None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path, body):
        if path.endswith("/content"):
            return self.files[path.split("/")[-2]]
        if path == "/v1/files":
            name = f"file{len(self.files)}"
            self.files[name] = "\n".join(re.findall(r'^\{"custom_id.*$', body, re.M))
            return {"id": name, "object": "file", "bytes": 1, "created_at": 0, "filename": "x", "purpose": "batch"}
        if path == "/v1/batches" and body:
            made = json.loads(body)
            batch = {"id": f"batch{len(self.batches)}", "object": "batch", "created_at": 0, "status": "in_progress"}
            self.batches[batch["id"]] = {**batch, **made, "looks": 0}
            self.asked.append([json.loads(line) for line in self.files[made["input_file_id"]].splitlines()])
            return self.batches[batch["id"]]
        if path.startswith("/v1/batches?"):
            return {"object": "list", "data": list(self.batches.values()), "has_more": False}
        return self.look(self.batches[path.split("/")[-1]])

    def look(self, batch):
        self.looks += 1
        batch["looks"] += 1
        if batch["looks"] == 3:
            number = int(batch["id"].removeprefix("batch"))
            good, bad = [], []
            for place, line in enumerate(self.asked[number]):
                if self.fails(number, place):
                    answer = {"response": {"status_code": 500, "body": {"error": {"message": "overloaded"}}}}
                    bad.append({"custom_id": line["custom_id"], "error": None, **answer})
                else:
                    said = self.says(line["body"]["messages"][0]["content"], place)
                    good.append({"custom_id": line["custom_id"], "error": None, "response": _completion(said)})
            for kind, lines in (("output_file_id", good), ("error_file_id", bad)):
                if lines:
                    random.Random(0).shuffle(lines)
                    batch[kind] = f"{kind}{number}"
                    self.files[batch[kind]] = "\n".join(map(json.dumps, lines)) + "\n"
            batch["status"] = self.status
        return batch


def _completion(said):
    content = said if isinstance(said, str) else json.dumps(said)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    made = {
        "id": "x",
        "object": "chat.completion",
        "created": CREATED,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return {"status_code": 200, "body": made}


def _handler(stub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def do_GET(self):
            self.reply("")

        def reply(self, body):
            said = stub.answer(self.path, body) if not stub.refuse else {"error": {"message": "no"}}
            content = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(stub.refuse or 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    return Handler


def pairs_for(prompt):
    number = random.Random(prompt).randrange(10**9)
    return [{"question": f"Question {number} {n}?", "sql": f"SELECT {n}", "comment": ""} for n in range(4)]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def write(tmp_path):
    def run(stub, progress=lambda *step: None, **section):
        section = {"kind": "openai-batch", "examples": 40, "pairs_per_prompt": 4, "seeds_per_prompt": 0, **section}
        teacher = {"base_url": stub.url, "budget_usd": 5, **section}
        recipe = Recipe(schema="s.yaml", seeds="s.jsonl", golden="g.jsonl", teacher=teacher)
        requests = Requests(recipe, CARD, [], size=10)
        return BatchTeacher(recipe, requests, tmp_path / "journal.jsonl", poll=0.001).write(progress)

    return run


def test_one_batch_writes_everything_at_half_the_price(write):
    lines = []
    with BatchStub() as stub:
        written = write(stub, progress=lambda *step: lines.append(step))
        again = write(stub)
    assert len(written.examples) == 40 and len(stub.asked) == 1
    body = stub.asked[0][0]["body"]
    assert body["response_format"]["json_schema"]["strict"] and body["model"] == "gpt-4o"
    assert written.dollars == pytest.approx(10 * 0.0075 / 2)
    assert again.examples == written.examples and (again.calls, again.calls_kept) == (0, 10)
    assert ("batch", 0, 10, "batch0 is in_progress; it goes on without you") in lines


def test_what_failed_is_asked_again(write):
    with BatchStub() as stub:
        calm = write(stub)
    with BatchStub() as stub:
        stub.fails = lambda batch, place: batch == 0 and place in (2, 7)
        assert write(stub).calls == 0  # all of it was in the journal
        stormy = write(stub, temperature=0.6)
    assert [len(asked) for asked in stub.asked] == [10, 2]
    assert stormy.retries == 1 and stormy.examples == calm.examples


class Left(Exception):
    pass


@pytest.mark.parametrize("where", ["while it is under way", "before its id was written down", "before it was sent"])
def test_whoever_leaves_comes_back_to_the_same_batch(write, monkeypatch, where):
    def leave(*_args):
        raise Left

    with BatchStub() as stub:
        with monkeypatch.context() as patch, pytest.raises(Left):
            if where == "while it is under way":
                patch.setattr(BatchApi, "look", leave)
            elif where == "before it was sent":
                patch.setattr(BatchApi, "submit", leave)
            else:
                submit = BatchApi.submit
                patch.setattr(BatchApi, "submit", lambda *args: leave(submit(*args)))
            write(stub)
        assert len(stub.asked) == (where != "before it was sent")
        written = write(stub)
    assert len(stub.asked) == 1
    assert len(written.examples) == 40 and written.dollars == pytest.approx(10 * 0.0075 / 2)


def test_answers_that_cannot_be_read_are_replaced(write, tmp_path):
    with BatchStub() as stub:
        stub.says = lambda prompt, place: (
            "Sorry." if place == 3 and len(stub.asked) == 1 else {"pairs": pairs_for(prompt)}
        )
        written = write(stub)
    assert len(written.examples) == 40 and [len(asked) for asked in stub.asked] == [10, 1]
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert sum(bool(entry.fault) for entry in journal.entries) == 1


def test_batches_that_bring_nothing_end_the_build(write):
    with BatchStub() as stub, pytest.raises(SqlftError, match=r"3 batches in a row brought nothing.*overloaded"):
        stub.fails = lambda batch, place: True
        write(stub)
    assert len(stub.asked) == 3


def test_the_budget_bounds_what_is_submitted(write):
    with BatchStub() as stub:
        with pytest.raises(WrongUse, match=r"budget_usd: 0.0001.*Write more"):
            write(stub, budget_usd=0.0001)
        with pytest.raises(WrongUse, match="no budget bounds it"):
            write(stub, budget_usd=None)
        assert not stub.asked
        written = write(stub, budget_usd=0.03)
        assert 0 < len(written.examples) < 40 and written.dollars <= 0.03
        assert any("stopped at the budget" in note for note in written.notes)


def test_a_refusal_is_said(write):
    with BatchStub() as stub:
        stub.refuse = 401
        with pytest.raises(WrongUse, match="OPENAI_API_KEY"):
            write(stub)


def test_second_opinions_come_in_batches_too_and_are_fetched_where_they_were_left(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlft.dataset.batch_teacher.time.sleep", lambda seconds: None)
    asked = ["How many users?", "How old are they?"]
    sqls = ["SELECT 1", "SELECT 2", "SELECT 3"]

    def again(stub):
        teacher = {"kind": "openai-batch", "base_url": stub.url, "budget_usd": 1, "pairs_per_prompt": 2}
        clean = {"regenerations": 2, "back_translation": 0.5}
        recipe = Recipe(schema="s.yaml", seeds="s", golden="g", teacher=teacher, clean=clean)
        purse = Purse(recipe, None, lambda *step: None)
        second = SecondOpinion(recipe, CARD, tmp_path, purse)
        return second.regenerate(asked), second.read_back(sqls), purse.total().dollars

    def says(prompt, place):
        found = [line for line in (*asked, *sqls) if line in prompt]
        if found[0] in asked:
            return {"pairs": [{"question": found[0], "sql": f"SELECT {place}", "comment": ""}]}
        return {"pairs": [{"question": f"What is {sql}?", "sql": sql, "comment": ""} for sql in found]}

    with BatchStub() as stub:
        stub.says = says
        with monkeypatch.context() as patch, pytest.raises(Left):
            patch.setattr(BatchApi, "look", lambda *_args: (_ for _ in ()).throw(Left))
            again(stub)
        made, read, spent = again(stub)
        assert again(stub) == (made, read, spent)
    assert [[example.sql for example in one] for one in made] == [["SELECT 0", "SELECT 1"], ["SELECT 2", "SELECT 3"]]
    assert read == [f"What is {sql}?" for sql in sqls]
    assert [len(batch) for batch in stub.asked] == [4, 2] and spent == pytest.approx(6 * 0.0075 / 2)
