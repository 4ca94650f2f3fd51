import json
from pathlib import Path

import pytest

from sqlft.evaluation.questions import find_leaks, read_questions, sha256
from sqlft.problems import WrongUse
from sqlft.recipe import Recipe
from tests.evaluation.made import question


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"question": "One?", "sql": "SELECT 1"}\n{"question": "Two?", "sql": "SELECT 2"}\n')
    return Recipe(name="shop", schema=Path("schema.yaml"), seeds=Path("seeds.jsonl"), golden=golden)


def test_on_names_the_golden_set_a_split_of_the_run_or_a_file(recipe: Recipe, tmp_path: Path) -> None:
    path, found = read_questions(recipe, "golden", limit=1)
    assert (path.name, [e.question for e in found]) == ("golden.jsonl", ["One?"])
    split = tmp_path / "runs" / "shop" / "dataset" / "heldout.jsonl"
    split.parent.mkdir(parents=True)
    split.write_text('{"question": "Three?", "sql": "SELECT 3"}\n')
    assert [e.sql for e in read_questions(recipe, "heldout")[1]] == ["SELECT 3"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps([{"question": "Four?", "sql_query": "SELECT 4 FORMAT CSV"}]))
    assert [e.sql for e in read_questions(recipe, str(file))[1]] == ["SELECT 4 FORMAT CSV"]


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("heldout", "sqlft build"),
        ("heldot", "Write golden, heldout"),
        ("empty.jsonl", "the file holds none"),
        ("twice.jsonl", "stands twice"),
    ],
)
def test_questions_that_cannot_be_are_said_with_what_to_write(
    recipe: Recipe, tmp_path: Path, on: str, said: str
) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "twice.jsonl").write_text(
        '{"question": "One?", "sql": "SELECT 1"}\n{"question": "one?", "sql": "SELECT 2"}\n'
    )
    with pytest.raises(WrongUse, match=said):
        read_questions(recipe, on)


def test_leaks_are_found_by_question_and_by_sql_whatever_their_spelling(tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    rows = [
        {"question": "how many  users are older than 1", "sql": "SELECT 0"},
        {"question": "Other words", "sql": "select COUNT()\nfrom shop.users -- all\nwhere age>2 FORMAT CSV;"},
        {"question": "How many users are older than 3?", "sql": "SELECT count() FROM shop.users WHERE age > 3"},
        {"question": "A near miss", "sql": "SELECT count() FROM shop.users WHERE age > 40"},
    ]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    questions = [question(number) for number in range(1, 5)]
    found = find_leaks(questions, [train])
    assert [q.leaked for q in questions] == [["question"], ["sql"], ["question", "sql"], []]
    assert found is not None
    assert (found.rows, found.by_question, found.by_sql, found.either) == (4, 2, 2, 3)
    assert found.files == {str(train): sha256(train)}


def test_an_empty_sql_is_nobodys_leak(tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    train.write_text('{"question": "A row that is broken", "sql": ""}\n')
    asked = [question(1, sql="")]
    assert find_leaks(asked, [train]) is not None and asked[0].leaked == []


def test_without_a_training_file_nothing_is_claimed() -> None:
    assert find_leaks([question(1)], []) is None
