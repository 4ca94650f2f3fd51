"""Parsing recipes: strict, all problems together, overrides, no secrets."""

from pathlib import Path

import pytest

from sqlft.problems import WrongUse
from sqlft.recipe import Recipe, load_recipe

MINIMAL = "schema: schema.yaml\nseeds: seeds.jsonl\ngolden: ../golden.jsonl\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "try" / "shop.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def problems(path: Path, *overrides: str):
    with pytest.raises(WrongUse) as caught:
        load_recipe(path, overrides)
    return caught.value.problems


def test_a_minimal_recipe_has_defaults(write):
    recipe = load_recipe(write(MINIMAL))
    assert recipe.name == "shop"
    assert recipe.run_dir == Path("runs/shop")
    assert recipe.lora.r == 32 and recipe.generation.temperature == 0


def test_paths_are_relative_to_the_recipes_folder(write, tmp_path):
    recipe = load_recipe(write(MINIMAL))
    assert recipe.schema_ == tmp_path / "try" / "schema.yaml"
    assert recipe.golden == tmp_path / "golden.jsonl" and recipe.imported is None
    assert load_recipe(write(MINIMAL), ["imported=real.jsonl"]).imported == tmp_path / "try" / "real.jsonl"


def test_sets_that_evaluation_will_ask_are_relative_to_it_too(write, tmp_path):
    recipe = load_recipe(write(MINIMAL + "evaluation: {questions: [more.jsonl]}\n"))
    assert recipe.evaluation.questions == [tmp_path / "try" / "more.jsonl"]


def test_a_step_of_cleaning_that_is_none_is_named_beside_those_that_are(write):
    (problem,) = problems(write(MINIMAL + "clean: {skip: [parsing]}\n"))
    assert "parsing" in problem.what and "'near_duplicate'" in problem.why


def test_all_problems_come_together_with_their_lines(write):
    found = problems(write(MINIMAL + "lora:\n  r: -1\nmodel:\n  quantisation: nf4\n  dtype: int8\n"))
    assert sorted(p.where.rpartition(":")[2] for p in found) == ["5", "7", "8"]


def test_an_unknown_key_is_named_with_its_likely_meaning(write):
    (problem,) = problems(write(MINIMAL + "model: {quantisation: nf4}\n"))
    assert "model.quantisation" in problem.what and "`quantization`" in problem.write


def test_an_unknown_key_near_to_none_gets_the_list(write):
    (problem,) = problems(write(MINIMAL + "lora: {zzz: 1}\n"))
    assert "alpha" in problem.write


def test_a_missing_key_is_named(write):
    (problem,) = problems(write("schema: a\nseeds: b\n"))
    assert "golden" in problem.what and problem.write


def test_a_password_in_the_dsn_is_refused_and_not_repeated(write):
    (problem,) = problems(write(MINIMAL + "database: {dsn: 'clickhouse://me:hunter2@host:8123/db'}\n"))
    assert "CLICKHOUSE_PASSWORD" in str(problem) and "hunter2" not in str(problem)


def test_a_user_without_password_is_fine(write):
    assert load_recipe(write(MINIMAL + "database: {dsn: 'clickhouse://me@host:8123/db'}\n"))


@pytest.mark.parametrize(
    "text", ["lora: {targets: lm_head}", "lora: {targets: [q_proj, lm_head]}", "generation: {samples: 4}"]
)
def test_impossible_combinations_are_refused(write, text):
    (problem,) = problems(write(MINIMAL + text))
    assert "Write" in str(problem)


def test_overrides_reach_any_depth_and_are_read_as_yaml(write):
    recipe = load_recipe(
        write(MINIMAL),
        ["lora.r=8", "training.max_steps=3", "teacher.base_url=null", "name=other", "training.fsdp_config.x=[1, a]"],
    )
    assert recipe.lora.r == 8 and recipe.name == "other" and recipe.teacher.base_url is None
    assert recipe.training == {"max_steps": 3, "fsdp_config": {"x": [1, "a"]}}


@pytest.mark.parametrize(
    ("override", "what"),
    [("lora.r", "not an override"), ("=1", "not an override"), ("seed.x=1", "no keys"), ("lora.r=[", "not YAML")],
)
def test_a_bad_override_says_why(write, override, what):
    assert any(what in str(p) for p in problems(write(MINIMAL + "seed: 1\n"), override))


def test_an_overrides_value_is_checked_like_the_files(write):
    (problem,) = problems(write(MINIMAL), "lora.r=lots")
    assert "lora.r: lots" in problem.what


@pytest.mark.parametrize(("text", "what"), [("- a\n", "not a mapping"), ("a: [", "not YAML"), ("", "not a mapping")])
def test_a_file_that_is_no_recipe_says_so(write, text, what):
    (problem,) = problems(write(text))
    assert what in str(problem)


def test_a_missing_recipe_is_wrong_use(tmp_path):
    (problem,) = problems(tmp_path / "none.yaml")
    assert "sqlft init" in str(problem)


def test_base_is_a_folder_where_there_is_one(write, tmp_path):
    path = write(MINIMAL + "model: {base: ../tiny}\n")
    assert load_recipe(path).base == "../tiny"
    (tmp_path / "tiny").mkdir()
    assert Path(load_recipe(path).base).resolve() == tmp_path / "tiny"


def test_a_recipe_survives_its_own_dump(write):
    recipe = load_recipe(write(MINIMAL + "training: {learning_rate: 1.0e-4}\n"))
    dump = recipe.model_dump(mode="json", by_alias=True)
    assert Recipe.model_validate(dump).model_dump(mode="json", by_alias=True) == dump
    assert dump["training"] == {"learning_rate": 1e-4}


@pytest.mark.parametrize("text", [b"\xff", MINIMAL.encode() + b"prompt: {date: 2024-02-30}\n", b"a: &a {b: *a}\n"])
def test_what_yaml_cannot_read_is_a_sentence_too(write, text):
    path = write("")
    path.write_bytes(text)
    assert "not YAML" in str(problems(path))
    assert "not YAML" in str(problems(write(MINIMAL), "prompt.date=2024-02-30"))


def test_a_key_that_stands_twice_is_not_taken_once(write):
    found = problems(write(MINIMAL + "lora: {r: 8}\nlora:\n  alpha: 8\n"))
    assert [(p.where.rpartition(":")[2], p.what) for p in found] == [("5", "`lora`")]


@pytest.mark.parametrize(
    "text",
    [
        "teacher: {base_url: 'https://me:hunter2@host/v1'}",
        "evaluation: {judge: {model: m, base_url: 'https://hunter2@host/v1'}}",
        "database: {dsn: 'clickhouse://me:hun/ter2@host:8123/db'}",
    ],
)
def test_no_address_holds_a_password(write, text):
    (problem,) = problems(write(MINIMAL + text))
    assert "no password" in str(problem) and "ter2" not in str(problem)


@pytest.mark.parametrize("name", [".", "..", "a/b", "a b"])
def test_a_name_stays_under_runs(write, name):
    assert "name" in str(problems(write(MINIMAL), f"name={name}"))


def test_a_recipe_knows_the_words_it_was_called_with(write):
    path = write(MINIMAL)
    assert load_recipe(path, ["lora.r=8", "training.x=[1, 2]"]).words == f"{path} lora.r=8 'training.x=[1, 2]'"
