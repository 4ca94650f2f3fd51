from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.dataset.slots import read_failures
from sqlft.problems import WrongUse

SHOP = SchemaCard.load(Path(__file__).parents[3] / "data/ecommerce/schema.yaml")


def read(tmp_path, text):
    path = tmp_path / "failures.jsonl"
    path.write_text(text)
    return read_failures(path, SHOP)


def test_reads_categories(tmp_path):
    line = '{"category": "c", "construct": "join", "tables": ["ecommerce.users"], "terms": ["buyer"], "count": 4}\n'
    first, second = read(tmp_path, line + '{"category": "d"}\n')
    assert (first.construct_, first.tables, first.terms, first.count) == ("join", ["ecommerce.users"], ["buyer"], 4)
    assert (second.construct_, second.tables, second.count) == ("", [], 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"category": "c", "construct": "pivot"}', "'pivot': there is no such construct. Write one of count"),
        ('{"category": "c", "tables": ["shop.x"]}', "shop.x: the schema card has no such table. Write some of eco"),
        ('{"category": "c", "question": "How many?"}', "question"),
        ('{"category": "c", "count": 0}', "greater than 0"),
        ("", "the file holds none"),
    ],
)
def test_says_what_is_no_category(tmp_path, text, said):
    with pytest.raises(WrongUse, match=said):
        read(tmp_path, text + "\n" if text else "")
