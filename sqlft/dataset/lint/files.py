"""Sets of questions and SQL in the forms that are about: CSV, JSON, JSONL and parquet, columns of any name, chats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlft.dataset.lint.lexicon import pattern, words
from sqlft.problems import Problem, WrongUse
from sqlft.records import Example

_QUESTION = words("question_columns")
_SQL = words("sql_columns")
_LOOKS_LIKE_SQL = pattern("looks_like_sql", re.IGNORECASE)
_TURN = pattern("turn_of_chat", re.DOTALL)
_SPECIAL = re.compile(r"<\|[^|<>]*\|>|</?s>")
_MARKED = pattern("marked_question", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"```(?:\w+)?\s*(.*?)```", re.DOTALL)


@dataclass
class Rows:
    """Questions and SQL in the file's order, and what is needed to write the file again."""

    questions: list[str]
    sqls: list[str]
    records: list[Any] = field(default_factory=list)
    delimiter: str = ","

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Rows:
        return cls([e.question for e in examples], [e.sql for e in examples])

    def __len__(self) -> int:
        return len(self.questions)


def read_rows(path: Path) -> Rows:
    """Reads a set.

    Raises:
        WrongUse: The file cannot be read, or no column of it holds questions or SQL.
    """
    delimiter = ","
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            records = _read_parquet(path)
        elif path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
            records = _read_json(path)
        else:
            records, delimiter = _read_table(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise WrongUse(
            Problem(
                str(path), "file", str(error.strerror or error), "Write the path of a CSV, JSON, JSONL or parquet file."
            )
        ) from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise WrongUse(
            Problem(str(path), "file", f"it cannot be read ({error})", "Write CSV, JSON, JSONL or parquet.")
        ) from error
    if not records:
        return Rows([], [])
    flat = [_flatten(record) for record in records]
    question, sql = _choose_columns(path, flat)
    return Rows(
        [_question_of(str(row.get(question) or "")) for row in flat],
        [_sql_of(str(row.get(sql) or "")) for row in flat],
        records,
        delimiter,
    )


def write_rows(path: Path, rows: Rows, sqls: Sequence[str]) -> None:
    """Writes the set again with other SQL, in the form that the path's ending names.

    Raises:
        WrongUse: The file cannot be written.
    """
    records = [
        record if old == new else _replace(record, old, new)
        for record, old, new in zip(rows.records, rows.sqls, sqls, strict=True)
    ]
    # a row may lack a column of the others; what a line of CSV holds beyond its header stands under None
    names = [name for name in dict.fromkeys(name for record in records for name in record) if name is not None]
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist([{n: record.get(n) for n in names} for record in records]), path)
        elif path.suffix.lower() == ".json":
            path.write_text(json.dumps(records, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            lines = (json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)
            path.write_text("".join(lines), encoding="utf-8")
        else:
            buffer = io.StringIO()
            writer = csv.writer(buffer, delimiter=rows.delimiter, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([*(record.get(n) for n in names), *record.get(None, [])] for record in records)
            path.write_text(buffer.getvalue(), encoding="utf-8")
    except OSError as error:
        raise WrongUse(Problem(str(path), "--fix", str(error.strerror), "Write the path of a file to make.")) from error
    except (ValueError, TypeError) as error:  # parquet wants one type a column
        raise WrongUse(Problem(str(path), "--fix", str(error), "Write a name that ends in .jsonl.")) from error


def _read_parquet(path: Path) -> list[Any]:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def _read_json(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text)
    except ValueError:
        content = [_read_line(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        if "messages" in content:
            content = [content]
        elif len(lists) == len(content) > 1 and not any(map(_holds_objects, lists)):
            content = [dict(zip(content, row, strict=False)) for row in zip(*lists, strict=True)]
        else:
            content = next((one for one in lists if _holds_objects(one)), [content])
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ValueError("not a list of objects")
    return content


def _read_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {str(error).partition(': line')[0]}") from error


def _holds_objects(items: list[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict)


def _read_table(text: str) -> tuple[list[Any], str]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter)), delimiter


def _flatten(record: Any) -> dict[str, Any]:
    """The record with the turns of a chat as columns 'user' and 'assistant'."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for turn in (one for one in value if isinstance(one, dict)):
                role = str(turn.get("role") or turn.get("from") or "")
                said = turn.get("content") if turn.get("content") is not None else turn.get("value")
                who = {"human": "user", "gpt": "assistant", "model": "assistant"}.get(role, role)
                if who in ("user", "assistant"):
                    flat[who] = said
        elif isinstance(value, dict):
            flat |= {key: inner for key, inner in value.items() if isinstance(inner, str)}
        else:
            flat[str(name)] = value
    return flat


def _choose_columns(path: Path, flat: list[dict[str, Any]]) -> tuple[str, str]:
    names = list(dict.fromkeys(name for row in flat[:200] for name in row))
    sample = [row for row in flat[:500]]
    share = {
        n: sum(bool(_LOOKS_LIKE_SQL.match(_sql_of(str(r.get(n) or "")))) for r in sample) / len(sample) for n in names
    }
    texts = [n for n in names if any(isinstance(r.get(n), str) for r in sample)]
    sql = max(texts, key=lambda n: (share[n] > 0.4, -_rank(n, _SQL)), default="")
    if not sql or (share[sql] <= 0.4 and _rank(sql, _SQL) == 99):
        raise WrongUse(
            Problem(str(path), f"columns {', '.join(names)}", "none of them holds SQL", "Name a column `sql`.")
        )
    rest = [n for n in texts if n != sql and share[n] <= 0.4 and any(" " in str(r.get(n) or "") for r in sample)]
    question = min(rest, key=lambda n: (_rank(n, _QUESTION), names.index(n)), default="")
    if not question:
        raise WrongUse(
            Problem(
                str(path), f"columns {', '.join(names)}", "none of them holds questions", "Name a column `question`."
            )
        )
    return question, sql


def _rank(name: str, order: Sequence[str]) -> int:
    name = name.strip().lower().replace(" ", "_")
    return order.index(name) if name in order else 99


def _question_of(text: str) -> str:
    turns = [next(part for part in found if part) for found in _TURN.findall(text) if any(found)]
    text = _SPECIAL.sub(" ", turns[-1] if turns else text).strip()
    if (marked := _MARKED.findall(text)) and "\n" in text:
        return str(marked[-1]).strip()
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return parts[-1] if len(parts) > 1 and len(text) > 600 else text


def _sql_of(text: str) -> str:
    text = _SPECIAL.sub("", text)
    fenced = _FENCE.search(text)
    return (fenced[1] if fenced else text).strip()


def _replace(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new) if old else value
    if isinstance(value, list):
        return [_replace(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _replace(item, old, new) for key, item in value.items()}
    return value
