from pathlib import Path

import pytest

from sqlft.dataset.slots.axes import axes
from sqlft.records import read_examples

SEEDS = read_examples(Path(__file__).parents[3] / "data/ecommerce/seeds.jsonl")


def test_the_levels_are_those_of_examples_and_share_everything():
    assert list(axes().levels) == ["easy", "medium", "hard", "expert"]
    assert sum(level.share for level in axes().levels.values()) == pytest.approx(1)
    assert len({construct.name for construct in axes().constructs}) == len(axes().constructs) > 15


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("count", "SELECT count() FROM t"),
        ("rows", "SELECT a FROM t ORDER BY a LIMIT 3"),
        ("combinators", "SELECT uniqExactIf(a, b > 0) FROM t"),
        ("cte", "WITH x AS (SELECT 1)\nSELECT * FROM x"),
        ("absence", "SELECT 1 FROM a LEFT ANTI JOIN b ON a.x = b.x"),
        ("limit_by", "SELECT a FROM t ORDER BY b LIMIT 1 BY a"),
        ("totals", "SELECT a, count() FROM t GROUP BY a with totals"),
        ("window", "SELECT row_number() OVER (ORDER BY a) FROM t"),
        ("dates", "SELECT toStartOfMonth(d) FROM t"),
        ("arrays", "SELECT groupArray(a) FROM t"),
        ("classes", "SELECT multiIf(a < 3, 'few', 'many') FROM t"),
    ],
)
def test_constructs_are_found_in_sql(name, sql):
    assert axes().find_construct(name).is_in(sql)
    assert not axes().find_construct(name).is_in("SELECT a FROM t WHERE b = 1")


def test_plain_sql_shows_no_other_construct():
    shown = [construct.name for construct in axes().constructs if construct.is_in("SELECT a FROM t WHERE b = 1")]
    assert shown == []


def test_seeds_show_most_constructs():
    unseen = [c.name for c in axes().constructs if not any(c.is_in(seed.sql) for seed in SEEDS)]
    assert unseen == ["rows", "cte"]
