"""The command line: what it prints where, its exit codes, and that no user error is a traceback."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import sqlft
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Prediction
from tests.cli.conftest import ROOT, TINY
from tests.evaluation.made import plain

COMMANDS = (
    "init check plan build import-log import lint train facts memorize evaluate ladder diagnose improve predict ask "
    "score query demo shop recipe version"
).split()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    from sqlft.database import Database
    from sqlft.database.shop import fill_shop

    dsn = f"chdb://{tmp_path_factory.mktemp('shop')}"
    with Database.connect(dsn) as db:
        fill_shop(db, 200)
    return dsn


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0 and [name for name in COMMANDS if f"\n  {name} " not in out] == []


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["train"], ["train", TINY, "--bogus"], ["shop", "--users", "many"], []]
)
def test_wrong_words_are_wrong_use(run, arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("command", ["build", "train", "evaluate", "recipe"])
def test_a_missing_recipe_is_one_sentence_on_standard_error(run, command):
    code, out, err = run(command, "none.yaml")
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.startswith("sqlft: none.yaml")


def test_every_problem_of_a_recipe_is_said(run, tmp_path):
    (tmp_path / "r.yaml").write_text("schema: s\nseeds: s\ngolden: g\nlora: {r: 0}\nmodle: {}\n")
    code, _, err = run("train", "r.yaml", "seed=x")
    assert code == 2 and all(part in err for part in ("r.yaml:4", "`lora.r: 0`", "`model`", "`seed: x`"))


def test_work_that_fails_exits_with_1(run, monkeypatch):
    def fail(*_args, **_more):
        raise SqlftError("The disk is full; free 3 GiB.")

    monkeypatch.setattr(sqlft, "train", fail)
    assert run("train", TINY) == (1, "", "sqlft: The disk is full; free 3 GiB.\n")


def test_an_interruption_exits_with_130(run, monkeypatch):
    def interrupt(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlft, "train", interrupt)
    assert run("train", TINY)[0] == 130


def test_version_names_what_figures_depend_on(run):
    code, out, _ = run("version", "--json")
    assert code == 0 and {"sqlft", "python", "torch", "chdb"} <= set(json.loads(out))


def test_the_schema_of_recipes_is_for_editors(run):
    schema = json.loads(run("recipe", "--json-schema")[1])
    assert {"schema", "training", "lora"} <= set(schema["properties"]) and "schema_" not in schema["properties"]
    assert set(schema["required"]) == {"schema", "seeds", "golden"}


def test_a_recipe_is_printed_in_full_and_reads_back(run):
    _, out, _ = run("recipe", TINY, "lora.r=8", "training.max_steps=3")
    found = Recipe.model_validate(yaml.safe_load(out))
    assert found.lora.r == 8 and found.training["max_steps"] == 3 and found.generation.temperature == 0


def test_the_shop_is_filled_and_counted(run, tmp_path):
    code, out, err = run("shop", "--users", 50, "--dsn", f"chdb://{tmp_path}/shop", "--json")
    assert code == 0 and json.loads(out)["ecommerce.users"] == 50 and "50/50" in err


def test_a_shop_of_nobody_is_wrong_use(run, tmp_path):
    assert run("shop", "--users", 0, "--dsn", f"chdb://{tmp_path}/shop")[0] == 2


def test_init_writes_a_project_and_refuses_to_do_it_twice(run, shop):
    code, out, _ = run("init", "mine", "--dsn", shop)
    assert code == 0 and Path("mine/recipe.yaml").is_file() and "mine/golden.jsonl" in out
    assert run("init", "mine", "--dsn", shop)[0] == 2


def test_a_query_prints_its_table(run, shop):
    code, out, err = run(
        "query", "SELECT country, count() AS users FROM ecommerce.users GROUP BY country", "--dsn", shop
    )
    assert code == 0 and "users" in out.splitlines()[1] and "Netherlands" in out and "sqlft:" not in err


def test_a_query_as_json_is_columns_types_rows_and_nothing_else(run, shop):
    code, out, _ = run(
        "query", "SELECT 1 AS a, 'x' AS b, NULL AS c FROM ecommerce.users LIMIT 1", "--dsn", shop, "--json"
    )
    found = json.loads(out)
    assert code == 0 and list(found) == ["columns", "types", "rows"]
    assert found["columns"] == ["a", "b", "c"] and found["rows"] == [[1, "x", None]]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE ecommerce.users",
        "SELECT 1; SELECT 2",
        "SELECT name FROM system.tables",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT 1 INTO OUTFILE 'stolen'",
    ],
)
def test_a_refused_query_says_why_and_exits_with_1(run, shop, sql):
    code, out, err = run("query", sql, "--dsn", shop)
    assert (code, out) == (1, "") and err.startswith("sqlft: ") and len(err) > 20
    assert not Path("stolen").exists()


def test_a_query_error_carries_its_hint(run, shop):
    code, _, err = run("query", "SELECT contry FROM ecommerce.users", "--dsn", shop)
    assert code == 1 and "UNKNOWN_IDENTIFIER" in err and "country" in err


def test_a_recipes_query_sees_the_cards_tables_alone(run, shop):
    code, out, _ = run(
        "query", "SELECT count() FROM ecommerce.users", "--recipe", TINY, f"database.dsn={shop}", "--json"
    )
    assert code == 0 and json.loads(out)["rows"] == [[200]]


@pytest.mark.parametrize("where", [[], ["--dsn", "chdb://memory", "--recipe", TINY]])
def test_a_query_wants_one_place(run, where):
    code, _, err = run("query", "SELECT 1", *where)
    assert code == 2 and "exactly one" in err


def test_score_writes_a_verdict_a_line_and_counts_them(run, tmp_path):
    pairs = [
        {"id": n, "gold_columns": ["a"], "gold_rows": [[1]], "pred_columns": ["b"], "pred_rows": [[n]]} for n in (1, 2)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    code, out, _ = run("score", "pairs.jsonl", "--out", "verdicts.jsonl", "--json")
    verdicts = [json.loads(line) for line in Path("verdicts.jsonl").read_text().splitlines()]
    assert code == 0 and [v["status"] for v in verdicts] == ["match", "mismatch"]
    assert json.loads(out) == {"match": 1, "mismatch": 1}


@pytest.fixture
def answers(monkeypatch):
    """Replaces the model: what it is loaded with, and SQL for questions that are not about the weather."""
    loaded = []

    def load(recipe, adapter=None, memory=False):
        loaded.append((recipe, adapter, memory))

        def predict_many(questions):
            return [
                Prediction(
                    id=str(n), question=q, model="adapter", text="…", sql=None if "weather" in q else f"SELECT {n}"
                )
                for n, q in enumerate(questions)
            ]

        return SimpleNamespace(predict_many=predict_many)

    monkeypatch.setattr(sqlft, "load", load)
    return loaded


def test_predict_prints_a_query_a_question(run, answers, tmp_path):
    (tmp_path / "q.txt").write_text("third?\n\n")
    code, out, _ = run(
        "predict", TINY, "first?", "lora.r=8", "how many have a=b?", "--file", "q.txt", "--adapter", "a", "--memory"
    )
    assert (code, out) == (0, "SELECT 0\nSELECT 1\nSELECT 2\n")
    ((recipe, adapter, memory),) = answers
    assert recipe.lora.r == 8 and adapter == Path("a") and memory


def test_predict_says_which_question_got_no_sql(run, answers):
    code, out, err = run("predict", TINY, "first?", "the weather?")
    assert (code, out) == (1, "SELECT 0\n") and "the weather?" in err
    code, out, _ = run("predict", TINY, "the weather?", "--json")
    assert code == 0 and json.loads(out)[0]["sql"] is None


def test_predict_without_a_question_is_wrong_use(run, answers):
    assert run("predict", TINY)[0] == 2 and run("predict", TINY, "--file", "none.txt")[0] == 2
    assert run("predict", TINY, "first?", " ")[0] == 2 and not answers


def test_ladder_hands_on_what_it_was_told_and_prints_json(run, monkeypatch):
    given = []

    def ladder(recipe, adapter, on, overrides, **more):
        given.append((str(recipe), adapter, on, overrides, more))
        return plain({"base": "mmx", "few_shot": "mmm"})

    monkeypatch.setattr(sqlft, "ladder", ladder)
    code, out, _ = run(
        "ladder", TINY, "seed=1", "--adapter", "a", "--on", "heldout", "--limit", 3, "--rescore", "--json"
    )
    assert code == 0 and [step["name"] for step in json.loads(out)["models"]] == ["base", "few_shot"]
    assert given == [(TINY, "a", "heldout", ["seed=1"], {"limit": 3, "rescore": True})]
    out = run("ladder", TINY)[1]
    assert "few_shot" in out and "report.html" in out


def test_evaluate_asks_every_set_with_the_runs_own_adapter(run, monkeypatch, tmp_path):
    asked = []

    def evaluate_each(recipe, adapters, on, baseline, memory):
        asked.append((recipe.name, adapters, on, recipe.evaluation.stress))
        return [plain({"base": "m"}, on=name) for name in on]

    monkeypatch.setattr(sqlft, "evaluate_each", evaluate_each)
    run("evaluate", TINY, "--json")
    (tmp_path / "runs" / "tiny-cpu" / "adapter").mkdir(parents=True)
    code, out, _ = run("evaluate", TINY, "--on", "golden", "--on", "heldout", "--json")
    run("evaluate", TINY, "name=other", "--adapter", "a", "--adapter", "b", "--stress", "5", "--json")
    own = [Path("runs/tiny-cpu/adapter")]
    assert asked == [
        ("tiny-cpu", [], ["golden"], 0),
        ("tiny-cpu", own, ["golden", "heldout"], 0),
        ("other", ["a", "b"], ["golden"], 5),
    ]
    assert code == 0 and [item["on"] for item in json.loads(out)] == ["golden", "heldout"]


def test_evaluate_asks_a_server_where_it_is_given_one(run, monkeypatch):
    given = []

    def evaluate_each(recipe, adapters, on, baseline, memory):
        given.append(recipe.evaluation)
        return [plain({"base": "m"})]

    monkeypatch.setattr(sqlft, "evaluate_each", evaluate_each)
    run("evaluate", TINY, "--json")
    run("evaluate", TINY, "--endpoint", "http://gpu:8000/v1", "--check-agreement", 16, "--json")
    assert [asked.engine for asked in given] == ["local", "vLLM at http://gpu:8000/v1"]
    assert given[1].endpoint.check_agreement == 16
    code, _, err = run("evaluate", TINY, "--check-agreement", 16)
    assert code == 2 and "`evaluation.endpoint.base_url`: it is missing" in err


def test_evaluate_is_a_gate_for_continuous_integration(run, monkeypatch):
    given = []

    def evaluate_each(recipe, adapters, on, baseline, memory):
        given.append(baseline)
        return [plain({"base": "xxxx", "tuned": "mmmx"}, on=name) for name in on]

    monkeypatch.setattr(sqlft, "evaluate_each", evaluate_each)
    assert run("evaluate", TINY, "--fail-under", "0.75")[0] == 0
    code, out, err = run("evaluate", TINY, "--on", "golden", "--fail-under", "0.9", "--baseline", "runs/old", "--json")
    assert code == 1 and json.loads(out)[0]["on"] == "golden"
    assert err == "sqlft: tuned on golden: 3 of 4 right, and 0.9 of them is the least.\n"
    assert given == [None, "runs/old"] and run("evaluate", TINY, "--fail-under", "90")[0] == 2


def test_only_the_first_of_several_processes_prints_the_run(run, monkeypatch):
    done = SimpleNamespace(folder=Path("runs/x"), adapter=Path("runs/x/adapter"), manifest={"steps": 3})
    monkeypatch.setattr(sqlft, "train", lambda *_args, **_more: done)
    assert json.loads(run("train", TINY, "--json")[1]) == {"folder": "runs/x", "adapter": "runs/x/adapter", "steps": 3}
    monkeypatch.setenv("RANK", "1")
    assert run("train", TINY, "--json")[:2] == (0, "")


def test_build_prints_what_became_of_the_pairs(run, monkeypatch):
    report = SimpleNamespace(
        written=10,
        rejected={"empty": 2},
        steps=[("runs", 10, 0), ("row_limit", 10, 2)],
        counts={"train": 8},
        sandbox="static",
        seconds=1.0,
        folder=Path("runs/x"),
        notes=["a note"],
    )
    asked = []
    monkeypatch.setattr(sqlft, "build", lambda *_, **options: asked.append(options["format"]) or report)
    code, out, err = run("build", TINY)
    assert code == 0 and "2 empty" in out and "static" in out and err == "sqlft: a note\n"
    assert str(report.folder / "dataset.html") in out
    [line] = [line for line in out.splitlines() if "row limit" in line]
    assert re.findall(r"\d+", line) == ["10", "2", "8"]
    assert run("build", TINY, "--format", "trl")[0] == 0 and asked == ["records", "trl"]
    assert run("build", TINY, "--format", "parquet")[0] == 2


def test_imports_print_what_became_of_the_queries(run, monkeypatch):
    from datetime import datetime

    from sqlft.dataset.harvest import ImportReport, LogFilter

    report = ImportReport(
        file=Path("p.jsonl"),
        source="query_log",
        found=9,
        runs=40,
        left={"no SELECT": 2},
        merged=1,
        rejected={"refused": 3},
        masked=[("e-mail", "email", 4), ("UUID", "", 1)],
        asked=5,
        pairs=5,
        dollars=0.1,
        sandbox="static",
        notes=["a note"],
    )
    asked = []
    monkeypatch.setattr(sqlft, "import_log", lambda *given, **more: asked.append((given, more)) or report)
    monkeypatch.setattr(sqlft, "import_files", lambda *given, **more: asked.append((given, more)) or report)
    options = ["--user", "ann", "--since", "2024-05-01", "--table", "calls", "--limit", 7, "--dsn", "chdb://memory"]
    code, out, err = run("import-log", TINY, "seed=1", "--out", "p.jsonl", *options, "--yes")
    assert code == 0 and "2 no SELECT" in out and "4 e-mail in email, 1 UUID" in out and err == "sqlft: a note\n"
    code, out, _ = run("import", "a.sql", "seed=1", "--recipe", TINY, "--out", "p.jsonl", "--json")
    assert code == 0 and json.loads(out)["rejected"] == {"refused": 3}
    chosen = LogFilter(["ann"], datetime(2024, 5, 1), None, ["calls"], 7)
    assert asked == [
        ((Path(TINY), Path("p.jsonl"), chosen, ["seed=1"]), {"dsn": "chdb://memory", "yes": True}),
        ((Path(TINY), [Path("a.sql")], Path("p.jsonl"), ["seed=1"]), {"yes": False}),
    ]


def test_a_dry_run_prints_what_each_step_would_drop(run, shop):
    words = ("build", TINY, f"database.dsn={shop}", "teacher.examples=8", "clean.max_rows=1", "--dry-run")
    code, out, _ = run(*words)
    [line] = [line for line in out.splitlines() if "row limit" in line]
    assert code == 0 and "the limit is 1 | " in line and not Path("runs").exists()
    found = json.loads(run(*words, "--json")[1])
    assert found["written"] == 8 == found["kept"] + len(found["rejected"])


def test_a_training_file_that_leaks_is_refused_unless_the_recipe_allows_it(run, monkeypatch):
    import sqlft.training

    golden = (ROOT / "data" / "ecommerce" / "golden.jsonl").read_text().splitlines()[0]
    train = Path("runs/tiny-cpu/dataset/train.jsonl")
    train.parent.mkdir(parents=True)
    train.write_text(golden + "\n")
    done = SimpleNamespace(folder=Path("runs/x"), adapter=Path("runs/x/adapter"), manifest={})
    monkeypatch.setattr(sqlft.training, "train", lambda *_, **__: done)
    code, out, err = run("train", TINY, "--json")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "1 of 1 rows give away" in err and "row 1 asks" in err
    assert run("train", TINY, "allow_leakage=true", "--json")[0] == 0


def test_check_exits_with_the_worst_it_found(run, monkeypatch):
    import sqlft.check

    fine, bad = sqlft.check.Check("recipe", "ok", "r"), sqlft.check.Check("teacher", "failed", "no key", 1)
    monkeypatch.setattr(sqlft.check, "run_checks", lambda *_: iter([fine, bad]))
    assert run("check", TINY) == (1, "✓ recipe: r\n✗ teacher: no key\n", "")
    code, out, _ = run("check", TINY, "--json")
    assert code == 1 and [item["status"] for item in json.loads(out)] == ["ok", "failed"]


def test_a_folder_that_cannot_be_written_is_one_sentence(run, shop):
    Path("taken").write_text("a file")
    code, _, err = run("init", "taken", "--dsn", shop)
    assert (code, err) == (1, "sqlft: taken: File exists\n")


def test_questions_that_are_not_utf_8_are_wrong_use(run, answers):
    Path("q.txt").write_bytes("café?".encode("latin-1"))
    code, _, err = run("predict", TINY, "--file", "q.txt")
    assert code == 2 and "q.txt" in err and "UTF-8" in err


def test_words_that_a_query_would_not_look_at_are_refused(run):
    code, _, err = run("query", "SELECT", "1", "--dsn", "chdb://memory")
    assert code == 2 and "quotes" in err
