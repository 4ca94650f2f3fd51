"""A playground over one small table, whose models say what a table of questions says; served on a free port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlft.agent import Agent, Analyst, Way
from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Gate
from sqlft.inference import Answer
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl
from tests.few_users import DAY

COUNT = "SELECT count() AS users FROM shop.users"
BY_COUNTRY = "SELECT country, count() AS users FROM shop.users GROUP BY country ORDER BY country"
TRAIN = Example(question="How many users live in Spain?", sql="SELECT count() FROM shop.users WHERE country = 'Spain'")
GOLDEN = Example(question="Which country has most users?", sql=f"{BY_COUNTRY} LIMIT 1")
SEED = Example(question="How many users are there?", sql=COUNT)


class Says:
    """A writer that answers by a function of the question, as `Remembered` would hand its answers on."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self.say, self.writer, self.asked = say, self, []

    def write(self, chats: Sequence[Any], generation: Any) -> list[list[Answer]]:
        self.asked += [chat[-1]["content"] for chat in chats]
        return [[Answer(self.say(chat[-1]["content"]), 10, 5, 0.1, True)] for chat in chats]

    def fits(self, chat: Any, generation: Any) -> bool:
        return True

    def dollars(self, answer: Answer) -> None:
        return None


def make_recipe(folder: Path, **more: Any) -> Recipe:
    """A recipe with a seed, a golden question and a training row, whose run is under the working directory."""
    columns = [Column(name="id", type="UInt64"), Column(name="country", type="String", values=["France", "Spain"])]
    SchemaCard(tables=[Table(name="shop.users", columns=columns)]).save(folder / "schema.yaml")
    write_jsonl(folder / "seeds.jsonl", [SEED])
    write_jsonl(folder / "golden.jsonl", [GOLDEN])
    paths = {key: folder / f"{name}" for key, name in (("schema", "schema.yaml"), ("seeds", "seeds.jsonl"))}
    made = Recipe(name="shop", **paths, golden=folder / "golden.jsonl", prompt={"date": DAY}, **more)
    made._path = folder / "recipe.yaml"
    write_jsonl(made.run_dir / "dataset" / "train.jsonl", [TRAIN], whole=True)
    return made


def make_analyst(recipe: Recipe, gate: Gate, say: Callable[[str], str], name: str = "base") -> Analyst:
    writer: Any = Says(say)
    agent = Agent(writer, gate, SchemaCard.load(recipe.schema_), recipe.prompt, recipe.generation, Way(reflections=1))
    return Analyst(recipe, agent, gate, name)


@contextmanager
def served(analysts: Sequence[Analyst], login: tuple[str, str] | None = None) -> Iterator[str]:
    """The page's address, for as long as it is served."""
    import uvicorn

    from sqlft.playground.serve import make_app

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(make_app(analysts, login, True), log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
