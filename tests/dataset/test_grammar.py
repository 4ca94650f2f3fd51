"""The template teacher over the demo shop: what it promises of its examples, and of its SQL."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.problems import SqlftError
from sqlft.records import Example

CARD = SchemaCard.load(Path(__file__).parents[2] / "data/ecommerce/schema.yaml")
VALUES = {str(v) for table in CARD.tables for column in table.columns for v in column.values or []} - {"0", "1"}
STRING = re.compile(r"'(?:[^']|'')*'")


@pytest.fixture(scope="module")
def teacher() -> TemplateTeacher:
    return TemplateTeacher(CARD, 0)


@pytest.fixture(scope="module")
def examples(teacher: TemplateTeacher) -> list[Example]:
    return teacher.examples(4 * len(teacher.template_ids))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.connect(f"chdb://{tmp_path_factory.mktemp('shop')}") as database:
        fill_shop(database, 600)
        yield database


def masked(sql: str) -> str:
    return re.sub(r"\b\d+(\.\d+)?\b", "#", STRING.sub("?", sql)).replace("ecommerce.", "")


def test_the_shop_has_at_least_150_templates_with_ids_of_their_own(teacher: TemplateTeacher) -> None:
    assert len(teacher.template_ids) == len(set(teacher.template_ids)) >= 150


def test_a_seed_gives_the_same_examples_and_another_seed_gives_others() -> None:
    first, again, other = (TemplateTeacher(CARD, seed).examples(50) for seed in (1, 1, 2))
    assert first == again != other


def test_a_longer_list_begins_with_the_shorter_one(teacher: TemplateTeacher, examples: list[Example]) -> None:
    assert teacher.examples(100) == examples[:100]


def test_ids_do_not_depend_on_the_seed(teacher: TemplateTeacher) -> None:
    assert TemplateTeacher(CARD, 99).template_ids == teacher.template_ids


def test_no_question_stands_twice_whatever_its_case_and_its_end(examples: list[Example]) -> None:
    assert len({e.question.lower().rstrip(".?") for e in examples}) == len(examples)


def test_every_template_gives_as_many_examples_while_it_has_new_questions(
    teacher: TemplateTeacher, examples: list[Example]
) -> None:
    counts = Counter(e.template for e in examples[: len(teacher.template_ids)])
    assert set(counts) == set(teacher.template_ids) and set(counts.values()) == {1}
    assert max(Counter(e.template for e in examples).values()) <= 5


def test_templates_have_several_wordings(teacher: TemplateTeacher) -> None:
    template = next(t for t in teacher.templates if t.id == "users-count/by-cat")
    mine = [e for e in teacher.examples(2500) if e.template == template.id]
    assert len({e.sql for e in mine}) == 1 and len(mine) >= 8


def test_examples_say_where_they_come_from(examples: list[Example]) -> None:
    assert {e.source for e in examples} == {"template"}
    assert {e.level for e in examples} == {"easy", "medium", "hard", "expert"}
    assert all(("join" in e.tags) == (" JOIN " in e.sql) for e in examples)


def test_one_query_of_every_template_runs_and_most_return_something(
    shop: Database, teacher: TemplateTeacher, examples: list[Example]
) -> None:
    once = examples[: len(teacher.template_ids)]
    results = [shop.run(e.sql) for e in once]
    full = sum(any(cell not in (None, 0) and cell == cell for row in r.rows for cell in row) for r in results)
    assert full >= 0.95 * len(once)
    assert sum(len(r.rows) > 100 for r in results) == 0


def test_question_and_sql_name_the_same_values_as_the_column_spells_them(examples: list[Example]) -> None:
    for example in examples:
        if {"kind", "share-kind"} & set(example.tags):
            continue  # 'mobile session' stands for its condition's values
        asked = {v for v in VALUES if re.search(rf"\b{v}\b", example.question)}
        assert asked == {s[1:-1] for s in STRING.findall(example.sql)} & VALUES, example


def test_years_and_numbers_of_the_question_are_those_of_the_sql(examples: list[Example]) -> None:
    for example in examples:
        asked = set(re.findall(r"\b20\d\d\b", example.question))
        assert asked == set(re.findall(r"\b20\d\d\b", example.sql)), example


def test_columns_are_qualified_exactly_where_tables_are_joined(examples: list[Example]) -> None:
    names = "|".join(c.name for table in CARD.tables for c in table.columns)
    for example in examples:
        bare = re.search(rf"(?<![.\w])({names})\b", STRING.sub("", example.sql))
        assert not (bare if " JOIN " in example.sql else re.search(r"\b[su]\.\w", example.sql)), example


def test_sql_is_one_line_without_semicolon_or_double_blanks(examples: list[Example]) -> None:
    assert not [e.sql for e in examples if re.search(r"[;\n]|  |\( | \)| $|[{}«»]", e.sql)]
    assert not [e.question for e in examples if re.search(r"\n|  |[{}«»]| [.?,]", e.question)]


@pytest.mark.parametrize(
    ("template", "sql"),
    [
        ("users-count", "SELECT count() FROM users"),
        ("sessions-distinct/where-range", "SELECT uniqExact(user_id) FROM sessions WHERE action_date BETWEEN ? AND ?"),
        ("sessions-count/where-quarter", "SELECT count() FROM sessions WHERE toStartOfQuarter(action_date) = ?"),
        ("sessions-count/where-weekend", "SELECT count() FROM sessions WHERE toDayOfWeek(action_date) >= #"),
        ("users-count/where-without", "SELECT count() FROM users WHERE user_id NOT IN (SELECT user_id FROM sessions)"),
        (
            "sessions-count/by-pcat",
            "SELECT u.country, count() FROM sessions AS s JOIN users AS u ON s.user_id = u.user_id GROUP BY u.country",
        ),
        (
            "users-count/by-cat/worst",
            "SELECT country, count() AS n FROM users GROUP BY country ORDER BY n, country LIMIT #",
        ),
        (
            "sessions/holders-first",
            "SELECT count() FROM (SELECT user_id, min(action_date) AS first FROM sessions GROUP BY user_id) WHERE "
            "toStartOfMonth(first) = ?",
        ),
        (
            "sessions-count/by-month/running",
            "SELECT toStartOfMonth(action_date) AS month, sum(count()) OVER (ORDER BY month) FROM sessions "
            "GROUP BY month ORDER BY month",
        ),
    ],
)
def test_a_template_keeps_its_sql(examples: list[Example], template: str, sql: str) -> None:
    assert sql in {masked(e.sql) for e in examples if e.template == template}


def test_groups_that_are_cut_or_ranked_break_ties_by_the_group(examples: list[Example]) -> None:
    cut = [e.sql for e in examples if " LIMIT " in e.sql]
    assert cut and all(re.search(r"ORDER BY [^()]+, [\w.]+ LIMIT", sql) for sql in cut)


def test_the_glossary_s_words_are_used_for_what_they_mean(examples: list[Example]) -> None:
    def sqls(words: str) -> list[str]:
        return [e.sql for e in examples if words in e.question.lower()]

    assert all("revenue > 0" in sql for sql in sqls("purchases"))
    assert all("min(" in sql for sql in sqls("first-time"))
    assert all("is_active = 0" in sql for sql in sqls("inactive users"))
    assert all("uniqExactIf(" in sql for sql in sqls("fraud rate of users"))
    assert all(
        sqls(words) for words in ("purchases", "first-time", "inactive users", "fraud rate of users", "customers")
    )


def test_a_flag_is_no_adjective_where_the_glossary_means_something_else_by_it() -> None:
    card = CARD.model_copy(deep=True)
    active = next(term for term in card.glossary if term.term == "active user")
    active.condition = "age > 17 AND is_active = 1"
    found = [e for e in TemplateTeacher(card, 0).examples(1500) if re.search(r"(?<!in)active users", e.question)]
    assert found and all("age > 17 AND is_active = 1" in e.sql or "u.age > 17" in e.sql for e in found)


def test_a_card_without_relations_or_glossary_still_has_templates_and_no_joins() -> None:
    bare = SchemaCard(tables=CARD.tables)
    found = TemplateTeacher(bare, 0).examples(300)
    assert not [e for e in found if " JOIN " in e.sql or "NOT IN (SELECT" in e.sql]


def test_two_paths_to_one_table_are_not_joined_for_the_question_could_mean_either() -> None:
    card = CARD.model_copy(deep=True)
    card.relations.append(card.relations[0].model_copy(update={"left": "ecommerce.sessions.session_id"}))
    assert not [t for t in TemplateTeacher(card, 0).template_ids if "pcat" in t]


def test_more_examples_than_the_card_offers_are_an_error_that_says_how_many_there_are() -> None:
    small = SchemaCard(tables=[CARD.tables[0].model_copy(update={"columns": CARD.tables[0].columns[:1]})])
    with pytest.raises(SqlftError, match=r"finds \d+ different questions for this card, not 500"):
        TemplateTeacher(small, 0).examples(500)


def test_one_wording_means_one_query_whatever_its_values(teacher: TemplateTeacher) -> None:
    found: dict[str, dict[str, Example]] = {}
    for example in teacher.examples(2500):
        question = re.sub("|".join(VALUES), "?", example.question)
        question = re.sub(r"\b\d{4}-\d\d(?!-)|\b[A-Z][a-z]{2,8} (?=20\d\d)", "month ", question)
        shape = re.sub(r"\b\d[\d.-]*", "#", question).lower().rstrip(".?")
        found.setdefault(shape, {})[masked(example.sql)] = example
    twofold = [list(sqls.values()) for sqls in found.values() if len(sqls) > 1]
    unlike = [pair for pair in twofold if len({re.sub(r"\b(os|browser)\b", "", masked(e.sql)) for e in pair}) > 1]
    assert not unlike


def test_names_and_values_that_want_quotes_have_them(shop: Database) -> None:
    card = SchemaCard.model_validate(
        {
            "tables": [
                {
                    "name": "my-shop.the users",
                    "noun": "user",
                    "key": ["id"],
                    "columns": [
                        {"name": "id", "type": "UInt64"},
                        {"name": "home land", "type": "String", "values": ["Côte d'Ivoire", "a\\b"]},
                        {"name": "mark", "type": "String", "values": ["{0}", "«x|y»"]},
                        {"name": "age", "type": "UInt8", "min": 18, "max": 90},
                    ],
                }
            ]
        }
    )
    shop.command("CREATE DATABASE `my-shop`")
    columns = "id UInt64, `home land` String, mark String, age UInt8"
    shop.command(f"CREATE TABLE `my-shop`.`the users` ({columns}) ENGINE = Memory")
    shop.command(r"INSERT INTO `my-shop`.`the users` VALUES (1, 'Côte d''Ivoire', '{0}', 20), (2, 'a\\b', '«x|y»', 30)")
    found = TemplateTeacher(card, 0).examples(60)
    assert any("d''Ivoire" in example.sql for example in found)
    for example in found:
        shop.run(example.sql)
        assert not set("{}«»") & set(example.question)
