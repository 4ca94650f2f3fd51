"""What is saved, where, and what speaks against it."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlft.database import Gate, QueryError
from sqlft.playground.keeping import Keeper
from sqlft.problems import WrongUse
from sqlft.records import Example, append_jsonl, locked, read_examples, read_jsonl
from tests.few_users import gate
from tests.playground.served import COUNT, GOLDEN, SEED, TRAIN, make_recipe

__all__ = ["gate"]

NEW = ("How many  users are called France?\n", "SELECT max(id) FROM shop.users WHERE country = 'France';")

TIMES = 20


@pytest.fixture
def keeper(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.chdir(tmp_path)
    return Keeper(make_recipe(tmp_path), gate)


@pytest.mark.parametrize(("kind", "file"), [("seed", "seeds"), ("golden", "golden"), ("candidate", "candidates")])
def test_a_pair_is_saved_where_the_recipe_reads_it(keeper: Keeper, kind: str, file: str) -> None:
    kept = keeper.keep(kind, *NEW)
    last = read_examples(keeper.recipe.path.with_name(f"{file}.jsonl"))[-1]
    assert kept.saved and file in kept.said and kept.path.stem == file
    assert last == Example(
        question="How many users are called France?", sql="SELECT max(id) FROM shop.users WHERE country = 'France'"
    )
    assert ("imported: candidates.jsonl" in kept.said) == (kind == "candidate")


def test_candidates_go_where_the_recipe_imports_from(keeper: Keeper, tmp_path: Path) -> None:
    keeper.recipe.imported = tmp_path / "real.jsonl"
    assert keeper.keep("candidate", *NEW).path == tmp_path / "real.jsonl" and (tmp_path / "real.jsonl").is_file()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE shop.users", "Only SELECT"),
        ("SELECT land FROM shop.users", "land"),
        ("SELECT * FROM system.users", "system.users"),
    ],
)
def test_sql_that_does_not_run_is_refused_with_the_gates_sentence(keeper: Keeper, sql: str, said: str) -> None:
    before = keeper.recipe.seeds.read_bytes()
    with pytest.raises(QueryError, match=said):
        keeper.keep("seed", "Anything?", sql, sure=True)
    assert keeper.recipe.seeds.read_bytes() == before


@pytest.mark.parametrize(("question", "sql"), [(" ", COUNT), ("How many?", " ;")])
def test_half_a_pair_is_refused(keeper: Keeper, question: str, sql: str) -> None:
    with pytest.raises(WrongUse, match="only both together"):
        keeper.keep("seed", question, sql)


@pytest.mark.parametrize("kind", ["seed", "candidate"])
def test_what_would_be_trained_on_is_said_to_give_a_golden_question_away(keeper: Keeper, kind: str) -> None:
    kept = keeper.keep(kind, "which country has most users", GOLDEN.sql)
    assert kept.doubtful and not kept.saved and repr(GOLDEN.question) in kept.said and "memory, not skill" in kept.said
    assert not keeper.path("candidate").exists() and read_examples(keeper.recipe.seeds) == [SEED]
    assert keeper.keep(kind, "which country has most users", GOLDEN.sql, sure=True).saved


@pytest.mark.parametrize(("known", "file"), [(TRAIN, "train.jsonl"), (SEED, "seeds.jsonl")])
def test_a_golden_question_that_is_trained_on_is_said_to_be(keeper: Keeper, known: Example, file: str) -> None:
    kept = keeper.keep("golden", known.question, known.sql)
    assert kept.doubtful and file in kept.said and repr(known.question) in kept.said
    assert read_examples(keeper.recipe.golden) == [GOLDEN]


def test_a_candidate_counts_as_trained_on_before_the_next_build(keeper: Keeper) -> None:
    keeper.keep("candidate", *NEW)
    assert "candidates.jsonl holds" in keeper.keep("golden", *NEW).said


def test_a_pair_without_rows_is_doubtful(keeper: Keeper) -> None:
    kept = keeper.keep("golden", "Who lives on Mars?", "SELECT id FROM shop.users WHERE country = 'Mars'")
    assert kept.doubtful and "no rows" in kept.said


def test_a_duplicate_is_said_and_not_written(keeper: Keeper) -> None:
    assert keeper.keep("golden", *NEW).saved
    before = keeper.recipe.golden.read_bytes()
    again = keeper.keep("golden", "how many users are called france", NEW[1])
    assert not again.saved and "already, on line 2" in again.said and keeper.recipe.golden.read_bytes() == before
    with pytest.raises(WrongUse, match="line 2 answers it with other SQL"):
        keeper.keep("golden", NEW[0], "SELECT min(id) FROM shop.users", sure=True)


def test_what_is_none_of_the_kinds_is_kept_nowhere(keeper: Keeper) -> None:
    before = keeper.recipe.golden.read_bytes()
    for kind in (None, "", "../golden"):
        with pytest.raises(KeyError):
            keeper.keep(kind, *NEW, sure=True)
    assert keeper.recipe.golden.read_bytes() == before


def test_a_list_in_json_is_not_appended_to(keeper: Keeper, tmp_path: Path) -> None:
    keeper.recipe.seeds = tmp_path / "seeds.json"
    keeper.recipe.seeds.write_text(json.dumps([SEED.model_dump()]))
    with pytest.raises(WrongUse, match="Write it as JSONL"):
        keeper.keep("seed", *NEW)


def test_half_a_line_is_never_added_to(keeper: Keeper) -> None:
    keeper.recipe.seeds.write_bytes(keeper.recipe.seeds.read_bytes() + b'{"question": "Hal')
    with pytest.raises(WrongUse, match=r"seeds.jsonl:2.*ends in the middle"):
        keeper.keep("seed", *NEW)


def test_a_last_line_without_its_end_is_ended_first(keeper: Keeper) -> None:
    keeper.recipe.seeds.write_bytes(keeper.recipe.seeds.read_bytes().rstrip(b"\n"))
    assert "line 2" in keeper.keep("seed", *NEW).said
    assert len(read_examples(keeper.recipe.seeds)) == 2


def _append(path: Path, who: int, start: Callable[[], object]) -> None:
    start()
    for n in range(TIMES):
        with locked(path) as file:
            append_jsonl(file, Example(question=f"{who} asks {n} {'long ' * 1000}", sql="SELECT 1"))


def test_what_several_people_append_at_once_is_there_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, path = context.Barrier(4), tmp_path / "seeds.jsonl"
    people = [context.Process(target=_append, args=(path, who, barrier.wait)) for who in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    asked = [" ".join(example.question.split()[:3]) for example in read_jsonl(path, Example)]
    assert sorted(asked) == sorted(f"{who} asks {n}" for who in range(4) for n in range(TIMES))


def test_a_disk_that_fills_up_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "seeds.jsonl"
    with locked(path) as file:
        append_jsonl(file, SEED)
        before = path.read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            append_jsonl(file, GOLDEN)
    assert path.read_bytes() == before


def test_who_waited_for_a_file_that_was_replaced_appends_to_the_new_one(tmp_path: Path) -> None:
    path, context = tmp_path / "seeds.jsonl", multiprocessing.get_context("fork")
    started = context.Event()
    with locked(path) as file:
        append_jsonl(file, SEED)
        other = context.Process(target=_append, args=(path, 0, started.set))
        other.start()
        started.wait(10)
        path.with_suffix(".new").write_bytes(path.read_bytes())
        path.with_suffix(".new").replace(path)
    other.join(60)
    assert len(read_jsonl(path, Example)) == 1 + TIMES
