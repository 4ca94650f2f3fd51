"""Pairs in a file: one verdict a line, in their order, whatever the file holds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.score import AGREES, make_pair
from sqlft.comparison import score_file
from sqlft.problems import WrongUse


def pair(ours: list[Any] | None, theirs: list[Any] | None, /, **more: Any) -> dict[str, Any]:
    return {
        **{"gold_columns": ["n"], "gold_rows": ours and [[cell] for cell in ours]},
        **{"pred_columns": ["n"], "pred_rows": theirs and [[cell] for cell in theirs]},
        **more,
    }


def scored(folder: Path, *pairs: dict[str, Any] | str) -> list[dict[str, Any]]:
    source, out = folder / "pairs.jsonl", folder / "out" / "verdicts.jsonl"
    source.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in pairs))
    score_file(source, out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_verdict_a_line_in_the_order_of_the_pairs(tmp_path: Path) -> None:
    verdicts = scored(tmp_path, pair([1], [1], id="first"), "", pair([1], [2]), pair([1], None, id=9, pred_error="no"))
    assert [verdict["id"] for verdict in verdicts] == ["first", "3", "9"]
    assert [verdict["status"] for verdict in verdicts] == ["match", "mismatch", "invalid"]
    assert {"status", "strict", "relaxed", "reasons"} <= verdicts[0].keys()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (pair(None, None, pred_error="no such column"), "invalid"),
        (pair([1], [1], pred_error="too slow"), "invalid"),
        (pair([1], [1], pred_error=""), "match"),
        (pair([1], None), "invalid"),
        (pair(None, [1]), "gold_error"),
        (pair([1], [1], gold_error="no such table"), "gold_error"),
        (pair(["1.50"], [1.5], gold_types=["Decimal(9, 2)"], pred_types=["Float64"]), "match"),
        (pair([1], [1], gold_totals=[1]), "mismatch"),
        (pair([1, 2], [2, 1], gold="SELECT n FROM t ORDER BY n"), "mismatch"),
        (pair([1, 2], [2, 1], gold="SELECT n FROM t", question="anything", expected="match"), "match"),
        (pair(["\ud800"], ["\udfff"]), "mismatch"),
    ],
)
def test_what_a_line_says_is_judged(tmp_path: Path, given: dict[str, Any], status: str) -> None:
    assert [verdict["status"] for verdict in scored(tmp_path, given)] == [status]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"gold_columns": ["n"], "gold_ro', "pairs.jsonl:2: .*the file ends in the middle of it"),
        ('{"gold_columns": ["é'.encode()[:-1], "pairs.jsonl:2: .*the file ends in the middle of it"),
        (b"[1, 2]\n", "pairs.jsonl:2: .*Write one object a line"),
        (b"[" * 100_000 + b"\n", "pairs.jsonl:2: .*not a JSON object"),
        (b'{"gold_columns": ["n"], "gold_rows": [[1]]}\n', "pairs.jsonl:2: .*there are no pred_rows; write them"),
        (b'{"gold_rows": [[1]], "pred_error": "x"}\n', "pairs.jsonl:2: .*there are no gold_columns"),
        (b'{"gold_columns": ["n"], "gold_rows": [[1, 2]], "pred_error": "x"}\n', "pairs.jsonl:2: .*names 1 columns"),
        (b'{"gold_columns": ["n"], "gold_rows": 3, "pred_error": "x"}\n', "pairs.jsonl:2: gold_rows"),
    ],
)
def test_a_bad_line_is_named_and_the_verdicts_before_it_are_kept(tmp_path: Path, line: bytes, said: str) -> None:
    source, out = tmp_path / "pairs.jsonl", tmp_path / "verdicts.jsonl"
    source.write_bytes(json.dumps(pair([1], [1])).encode() + b"\n" + line)
    with pytest.raises(WrongUse, match=said):
        score_file(source, out)
    assert [json.loads(kept)["status"] for kept in out.read_text().splitlines()] == ["match"]


def test_files_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    with pytest.raises(WrongUse, match="No such file"):
        score_file(source, tmp_path / "verdicts.jsonl")
    assert not (tmp_path / "verdicts.jsonl").exists()
    source.write_text(json.dumps(pair([1], [1])))
    with pytest.raises(WrongUse, match="No such file"):
        score_file(tmp_path / "none.jsonl", tmp_path / "pairs.jsonl")
    with pytest.raises(WrongUse, match="the file that the pairs are read from"):
        score_file(source, source)
    with pytest.raises(WrongUse, match="Write a path that can be written"):
        score_file(source, source / "verdicts.jsonl")
    assert json.loads(source.read_text()) == pair([1], [1])


def test_it_streams(tmp_path: Path) -> None:
    source, out = tmp_path / "pairs.jsonl", tmp_path / "verdicts.jsonl"
    source.write_text((json.dumps(pair([1], [1])) + "\n") * 3)
    written: list[int] = []
    counts = score_file(source, out, progress=lambda done: written.append(len(out.read_text().splitlines())))
    assert written == [1, 2, 3] and counts == {"match": 3}


def test_the_benchmarks_pairs_are_judged_as_they_were_made(tmp_path: Path) -> None:
    pairs = [make_pair(number, random.Random(number)) for number in range(60)]
    for given, verdict in zip(pairs, scored(tmp_path, *pairs), strict=True):
        assert AGREES[given["expected"]](verdict), (given, verdict)
