"""What is written to JSONL, and how: examples, predictions, verdicts.

One record a line, UTF-8. A half-written last line (a killed process, a full disk) is an error with its line number,
never dropped in silence.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from sqlft.problems import Problem, WrongUse


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


Level = Literal["", "easy", "medium", "hard", "expert"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Slot:
    """What a request to the teacher asked for. See sqlft.dataset.slots.

    Attributes:
        window: The kind of period: all, year, quarter, month, range, since.
        dates: That period in words; empty for all.
        term: A term of the glossary to use, or empty.
        category: What a model got wrong, where the slot was drawn from its failures.
    """

    level: Level
    construct: str
    tables: list[str]
    style: str
    window: str = "all"
    dates: str = ""
    term: str = ""
    category: str = ""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Origin:
    """Where an imported query was found. See sqlft.dataset.harvest.

    Attributes:
        hash: ClickHouse's normalizedQueryHash, which leaves literals out; empty where it was never asked for.
        runs: How often queries of that hash ran in the period that was read, or stand in the files.
    """

    source: Literal["query_log", "file"]
    hash: str
    runs: int


class Example(Record):
    """One question/SQL pair with its provenance.

    Attributes:
        id: Stable within its file; `question_id` of the question where none was given.
        source: Who wrote it: 'hand', 'template' or the teacher's model name.
        template: Id of the grammar's template for source 'template', else empty.
        teacher: The kind of teacher that wrote it, as in the recipe's `teacher.kind`; empty for what a hand wrote.
        prompt_sha256: SHA-256 of the text that the teacher's model was shown.
        seeds: Ids of the seeds in that text.
        checks: The steps of cleaning that it passed, in their order.
        fingerprint: What its query gave when it was cleaned; see `sqlft.comparison.fingerprint`.
        time: When the answer that holds it came, in UTC; None for what no endpoint wrote, which is the same whenever
            it is drawn.
    """

    id: str = ""
    question: str
    sql: str
    comment: str = ""
    source: str = "hand"
    template: str = ""
    level: Level = ""
    tags: list[str] = Field(default_factory=list)
    slot: Slot | None = Field(None, description="what the teacher was asked for")
    teacher: str = ""
    prompt_sha256: str = ""
    seeds: list[str] = Field(default_factory=list)
    checks: list[str] = Field(default_factory=list)
    fingerprint: str = ""
    time: datetime.datetime | None = None
    origin: Origin | None = Field(None, description="where its query was found, for a real one")

    def model_post_init(self, _context: Any) -> None:
        self.id = self.id or question_id(self.question)


class Rejected(Record):
    """An example that cleaning dropped: why, and what shows it."""

    example: Example
    reason: str
    evidence: str = ""


class Attempt(Record):
    """SQL that was given up after a look at what the database said of it: its error, 'empty', or 'no_sql'."""

    sql: str | None
    fault: str


class Prediction(Record):
    """The SQL that a model wrote for one question.

    Attributes:
        model: 'base', the adapter's name, or the step of the ladder.
        text: Everything that the model answered.
        sql: What the extractor took from it; None where it found none.
        seconds: Wall time of the batch divided by its rows; of all attempts, as the tokens are.
        attempts: Answers that were asked for: samples, and rounds of reflection.
        earlier: The attempts that reflection gave up, in order.
        votes: Samples whose result was that of `sql`, where several were drawn.
        dollars: What all attempts cost; None where no price is known.
        facts: Ids of the facts that a memory opened for the question, an empty list where its gate stayed shut; None
            where no memory was asked.
    """

    id: str
    question: str
    model: str
    text: str
    sql: str | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 1
    earlier: list[Attempt] = Field(default_factory=list)
    votes: int | None = None
    dollars: float | None = None
    facts: list[str] | None = None
    stopped: bool = Field(True, description="ended with the end token, not at max_new_tokens")


Status = Literal["match", "mismatch", "vacuous", "invalid", "gold_error", "undetermined"]


class Verdict(Record):
    """What comparing a prediction's result with the gold result says. See sqlft.comparison."""

    id: str = ""
    status: Status
    strict: bool
    relaxed: bool
    reasons: list[str] = Field(default_factory=list)
    evidence: dict[str, Any] = Field(default_factory=dict)


R = TypeVar("R", bound=BaseModel)


def question_id(question: str) -> str:
    """Twelve hex digits of the question's SHA-256, blanks folded and case ignored."""
    return hashlib.sha256(" ".join(question.lower().split()).encode()).hexdigest()[:12]


def write_jsonl(path: Path, records: Iterable[BaseModel], *, whole: bool = False) -> None:
    """Writes all records, or leaves the old file as it was: a temporary file is renamed when it is complete.

    Args:
        path: The file.
        records: Its lines.
        whole: Write defaults too. Files that are read as one set by others must have the same fields in each line:
            datasets.load_dataset refuses a split with a column that the first has not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record.model_dump_json(exclude_defaults=not whole) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """The file, open to be read and appended to, held against all others who ask for it here; made where it is missing.

    Where the file was replaced by another while one waited for it, that one is opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where a process was forked meanwhile


def append_jsonl(file: BinaryIO, record: BaseModel, *, whole: bool = False) -> int:
    """Appends one record to a `locked` file, on a line of its own, all of it or nothing; the line's number.

    Args:
        file: What `locked` gave. A last line without its end is taken for whole: read the file first.
        record: The line.
        whole: As for `write_jsonl`.
    """
    file.seek(0)
    held = file.read()
    begin = b"\n" if held and not held.endswith(b"\n") else b""
    line = begin + record.model_dump_json(exclude_defaults=not whole).encode() + b"\n"
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file.name))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(len(held))
        raise
    return held.count(b"\n") + len(begin) + 1


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number, object) of each line that is not blank.

    Raises:
        WrongUse: The file cannot be read, or a line is not a JSON object.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise WrongUse(Problem(str(path), "file", str(error.strerror), "Write the path of a JSONL file.")) from error
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode())
            except (ValueError, RecursionError) as error:  # not JSON, or a file that ends in the middle of a character
                cut = "" if line.endswith(b"\n") else ", and the file ends in the middle of it"
                why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                what = repr(line[:60].decode(errors="replace"))
                raise WrongUse(
                    Problem(f"{path}:{number}", what, f"not a JSON object ({why}{cut})", "Mend or delete the line.")
                ) from error
            if not isinstance(value, dict):
                what = repr(line[:60].decode(errors="replace"))
                raise WrongUse(Problem(f"{path}:{number}", what, "not a JSON object", "Write one object a line."))
            yield number, value


def read_jsonl(path: Path, kind: type[R]) -> list[R]:
    """Reads a file of records of one kind.

    Raises:
        WrongUse: Every line that is not such a record, with its number.
    """
    records, problems = [], []
    for number, value in read_json_lines(path):
        try:
            records.append(kind.model_validate(value))
        except ValidationError as error:
            problems += [
                Problem(f"{path}:{number}", ".".join(map(str, e["loc"])) or "line", e["msg"]) for e in error.errors()
            ]
    if problems:
        raise WrongUse(problems)
    return records


def read_examples(path: Path) -> list[Example]:
    """Reads examples from JSONL, or from a JSON list of {question, sql or sql_query}, the two forms that are about.

    Raises:
        WrongUse: Every record that is not an example, with its line or index.
    """
    if path.suffix != ".json":
        return read_jsonl(path, Example)
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUse(
            Problem(str(path), "file", str(error.strerror), "Write the path of a JSON or JSONL file.")
        ) from error
    except json.JSONDecodeError as error:
        raise WrongUse(Problem(f"{path}:{error.lineno}", "file", f"not JSON ({error.msg})")) from error
    except (ValueError, RecursionError) as error:
        raise WrongUse(Problem(str(path), "file", f"not JSON ({error})")) from error
    if not isinstance(items, list):
        raise WrongUse(Problem(str(path), "file", "not a list of examples", "Write [{question, sql}, …]."))
    examples, problems = [], []
    for index, item in enumerate(items):
        if isinstance(item, dict) and "sql_query" in item:
            item = {("sql" if k == "sql_query" else k): v for k, v in item.items()}
        try:
            examples.append(Example.model_validate(item))
        except ValidationError as error:
            problems += [
                Problem(f"{path}[{index}]", ".".join(map(str, e["loc"])) or "item", e["msg"]) for e in error.errors()
            ]
    if problems:
        raise WrongUse(problems)
    return examples
