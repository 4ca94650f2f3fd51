import pytest

import sqlft
from sqlft.dataset.leakage import refuse_leaks
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl
from tests.dataset.lint.pairs import DATA, S, U

GOLDEN = Example(question="How many users were active in December 2024?", sql=f"SELECT count() FROM {U} WHERE m = 12")
OTHER = Example(question="What is the total revenue?", sql=f"SELECT sum(revenue) FROM {S}")
CLEAN = Example(question="How many sessions ran on iOS?", sql=f"SELECT count() FROM {S} WHERE os = 'iOS'")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Makes a recipe whose train.jsonl holds a clean row and the one given."""
    monkeypatch.chdir(tmp_path)

    def make(question, sql, **more):
        write_jsonl(tmp_path / "golden.jsonl", [GOLDEN])
        write_jsonl(tmp_path / "more.jsonl", [OTHER])
        write_jsonl(tmp_path / "runs/run/dataset/train.jsonl", [CLEAN, Example(question=question, sql=sql)])
        evaluation = {"questions": ["more.jsonl"]}
        paths = {"schema": DATA / "schema.yaml", "seeds": "s.jsonl", "golden": "golden.jsonl"}
        return Recipe.model_validate({"name": "run", **paths, "evaluation": evaluation, **more})

    return make


@pytest.mark.parametrize(
    ("question", "sql", "said"),
    [
        ("how many users were ACTIVE in december 2024", "SELECT 1", "row 2 asks 'How many users were active"),
        ("How many users were active in November 2024?", "SELECT 1", "row 2 nearly asks 'How many users were active"),
        (
            "Tell me of actives.",
            f"select count( ) from {U} where m = 12",
            "row 2 holds the SQL of 'How many",
        ),
        ("What is the total revenue", "SELECT 1", "row 2 asks 'What is the total revenue"),
    ],
)
def test_a_training_file_that_leaks_is_refused_with_rows_and_questions(recipe, question, sql, said):
    with pytest.raises(SqlftError, match="1 of 2 rows give away") as caught:
        sqlft.train(recipe(question, sql))
    assert said in str(caught.value) and "allow_leakage: true" in str(caught.value)
    assert type(caught.value) is SqlftError  # exit code 1


def test_a_recipe_may_allow_it_and_a_clean_file_passes(recipe):
    refuse_leaks(recipe(GOLDEN.question, GOLDEN.sql, allow_leakage=True))
    refuse_leaks(recipe("How old is the oldest user?", f"SELECT max(age) FROM {U}"))


def test_a_file_that_is_not_there_is_left_to_training(recipe, tmp_path):
    made = recipe("?", "SELECT 1")
    (tmp_path / "runs/run/dataset/train.jsonl").unlink()
    refuse_leaks(made)
