"""A small shop, a teacher that says what it is told to, and recipes over both, for the tests of building."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.database import Database, open_gate
from sqlft.database.shop import fill_shop
from sqlft.recipe import Limits, Recipe
from sqlft.records import Example, read_jsonl, write_jsonl
from tests.openai_stub import OpenAIStub

CARD = Path(__file__).parents[2] / "data/ecommerce/schema.yaml"
SEEDS = [
    Example(question="How many users are active?", sql="SELECT count() FROM ecommerce.users WHERE is_active = 1"),
    Example(question="How many users are there?", sql="SELECT count() FROM ecommerce.users FORMAT CSV"),
]
GOLDEN = [Example(question="What is the total revenue?", sql="SELECT sum(revenue) FROM ecommerce.sessions")]
SAID = [  # what the stub's teacher writes: question, SQL, and the reason why it goes
    ("How many sessions are there?", "SELECT count() FROM ecommerce.sessions FORMAT TabSeparatedWithNames", ""),
    ("how many sessions  ARE there", "SELECT count(*) FROM ecommerce.sessions", "duplicate"),
    ("How many countries are there?", "SELECT uniqExact(country) FROM ecommerce.users", ""),
    ("Who is older than 300?", "SELECT user_id FROM ecommerce.users WHERE age > 300", "empty"),
    ("Show all users.", "SELECT user_id FROM ecommerce.users", "too_many_rows"),
    ("What is the mean height?", "SELECT avg(height) FROM ecommerce.users", "runs"),
    ("Remove all users.", "TRUNCATE TABLE ecommerce.users", "not_allowed"),
    ("Who may log in?", "SELECT name FROM system.users", "not_allowed"),
    ("What's the total revenue?", "select sum( revenue ) from ecommerce.sessions", "leak_near"),
    ("What is the total  revenue", "SELECT sum(revenue) + 0 FROM ecommerce.sessions", "leak_exact"),
    ("How old is the oldest user?", "SELECT max(age) FROM ecommerce.users", ""),
    ("How old is the youngest user?", "SELECT min(age) FROM ecommerce.users", ""),
]


@pytest.fixture(scope="module")
def dsn(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "db"
    with Database.connect(f"chdb://{path}") as database:
        fill_shop(database, 400)
    return f"chdb://{path}"


@pytest.fixture(scope="module")
def gate(dsn):
    card = SchemaCard.load(CARD)
    with open_gate(dsn, limits=Limits(parallel=1), tables=card.table_names) as opened:
        yield opened


@pytest.fixture
def one_gate(gate, monkeypatch):
    """A child process takes seconds to start: the builds of most tests share one."""
    monkeypatch.setattr("sqlft.dataset.queries.open_gate", lambda *_, **__: nullcontext(gate))


@pytest.fixture
def recipe(dsn, tmp_path, monkeypatch):
    """Makes a recipe whose run folder is under tmp_path."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "seeds.jsonl", SEEDS)
    write_jsonl(tmp_path / "golden.jsonl", GOLDEN)

    def make(**sections):
        paths = {"schema": CARD, "seeds": "seeds.jsonl", "golden": "golden.jsonl"}
        return Recipe.model_validate(
            {"name": "run", "database": {"dsn": dsn, "limits": {"parallel": 1}}, **paths, **sections}
        )

    return make


@pytest.fixture
def stub():
    pairs = [{"question": question, "sql": sql, "comment": ""} for question, sql, _ in SAID]
    with OpenAIStub(lambda body: {"pairs": pairs}) as server:
        yield server


def openai(stub, **section):
    section = {"base_url": stub.url, "examples": len(SAID), "pairs_per_prompt": 20, "budget_usd": 1, **section}
    return {"model": "gpt-4o", "slots": False, **section}


def read(report, part, kind=Example):
    return read_jsonl(report.folder / f"{part}.jsonl", kind)
