"""Pairs of results in a file, scored without a database: one verdict a line, in the order of the pairs."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from sqlft.comparison.compare import compare, deny, invalid
from sqlft.database.result import Result
from sqlft.problems import Problem, WrongUse
from sqlft.records import Verdict, read_json_lines

Row = tuple[Any, ...]


class ResultPair(BaseModel):
    """One line: two results, the SQL that gave them, or why there is none. Further keys are the user's own.

    A pair whose `pred_error` says something, or whose `pred_rows` is null, is invalid; `gold_error` and `gold_rows`
    likewise for gold.
    """

    id: str | int | None = None
    gold: str | None = None
    pred: str | None = None
    gold_columns: list[str] | None = None
    pred_columns: list[str] | None = None
    gold_types: list[str] | None = None
    pred_types: list[str] | None = None
    gold_rows: list[Row] | None = Field(None, description="required, null where gold failed")
    pred_rows: list[Row] | None = Field(None, description="required, null where the prediction failed")
    gold_totals: Row | None = None
    pred_totals: Row | None = None
    gold_error: str | None = None
    pred_error: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> ResultPair:
        for side in ("gold", "pred"):
            columns, rows = getattr(self, f"{side}_columns"), getattr(self, f"{side}_rows")
            if rows is None:
                if not {f"{side}_rows", f"{side}_error", "pred_error"} & self.model_fields_set:
                    raise ValueError(f"there are no {side}_rows; write them, or {side}_error")
                continue
            if not columns and (rows or columns is None):
                raise ValueError(f"there are no {side}_columns; write the names of the columns of {side}_rows")
            types, totals = getattr(self, f"{side}_types"), getattr(self, f"{side}_totals")
            widths = {len(row) for row in rows} | ({len(totals)} if totals is not None else set())
            widths |= {len(types)} if types else set()
            if widths - {len(columns)}:
                other = min(widths - {len(columns)})
                raise ValueError(
                    f"{side}_columns names {len(columns)} columns; a row, the totals or the types have {other}"
                )
        return self

    def result(self, side: Literal["gold", "pred"]) -> Result | None:
        """The result of one side; None where there is none."""
        rows, error = getattr(self, f"{side}_rows"), getattr(self, f"{side}_error")
        if rows is None or error:
            return None
        types, totals = getattr(self, f"{side}_types"), getattr(self, f"{side}_totals")
        return Result(getattr(self, f"{side}_columns"), rows, types or [], totals)


def score_pair(pair: ResultPair) -> Verdict:
    """The verdict on one pair."""
    gold, prediction = pair.result("gold"), pair.result("pred")
    if gold is None and (pair.gold_error or not pair.pred_error):
        return deny("gold_error", ["error"], error=pair.gold_error or "there is no result")
    if gold is None or prediction is None:
        return invalid(pair.pred_error or "there is no result")
    return compare(gold, prediction, gold_sql=pair.gold or "", prediction_sql=pair.pred or "")


def score_file(pairs: Path, out: Path, progress: Callable[[int], None] | None = None) -> Counter[str]:
    """Scores a JSONL file of `ResultPair`, streaming: each verdict is written when its pair was read.

    A verdict carries its pair's `id`, or its line number where the pair has none.

    Args:
        pairs: The file to read.
        out: Where the verdicts go, one JSON object a line; replaced where it exists.
        progress: Called with the number of pairs scored so far, after each.

    Returns:
        How many verdicts have each status.

    Raises:
        WrongUse: A line is not such a pair. The verdicts on the lines before it have been written.
    """
    if pairs.exists() and out.exists() and os.path.samefile(pairs, out):
        raise WrongUse(Problem(str(out), "--out", "the file that the pairs are read from", "Write another path."))
    counts: Counter[str] = Counter()
    lines = read_json_lines(pairs)
    first = list(islice(lines, 1))  # what cannot be read at all raises before `out` is touched
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise WrongUse(Problem(str(out), "--out", str(error.strerror), "Write a path that can be written.")) from error
    with file:
        for number, line in chain(first, lines):
            try:
                pair = ResultPair.model_validate(line)
            except ValidationError as error:
                raise WrongUse(_problem(pairs, number, detail) for detail in error.errors()) from error
            verdict = score_pair(pair)
            verdict.id = str(number if pair.id is None else pair.id)
            file.write(json.dumps(vars(verdict)) + "\n")  # unlike pydantic, writes lone surrogates too
            counts[verdict.status] += 1
            if progress:
                progress(counts.total())
    return counts


def _problem(pairs: Path, number: int, detail: Any) -> Problem:
    where = ".".join(map(str, detail["loc"])) or "pair"
    return Problem(f"{pairs}:{number}", where, detail["msg"].removeprefix("Value error, "))
