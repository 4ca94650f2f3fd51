"""The append-only journal of a teacher's answers: what was paid for once is never asked for again."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from sqlft.problems import Problem, WrongUse
from sqlft.records import Example, Record, read_jsonl


class Entry(Record):
    """One finished call.

    Attributes:
        key: Hash of the request.
        number: The request's place in the build.
        answer: What was answered; None where it could not be read, which costs and counts but answers nothing.
        time: When an answer came; a build that goes on takes it from here.
    """

    key: str
    number: int
    answer: Any = None
    fault: str = ""
    time: datetime.datetime | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = Field(None, description="None where the model's price is not known")


class Journal:
    """A file of entries, one a line, each handed to the system before its call counts as finished.

    A kill in the middle of a write leaves half a line at the end. That is the one place of this project where such a
    line is expected: it is cut off, `mended` says so, and its call is made again.

    Args:
        path: The file; made where it is missing.

    Raises:
        WrongUse: A line before the last is not an entry.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.mended = _cut_half_line(path)
        self.entries = read_jsonl(path, Entry)
        self.answers = {entry.key: entry.answer for entry in self.entries if entry.answer is not None}
        self.times = {entry.key: entry.time for entry in self.entries}
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        self._file.write(entry.model_dump_json(exclude_defaults=True) + "\n")
        self._file.flush()
        self.entries.append(entry)
        self.times[entry.key] = entry.time
        if entry.answer is not None:
            self.answers[entry.key] = entry.answer


def read_answers(path: Path, model: str) -> list[Example]:
    """The pairs that a journal holds, in the order of their requests; it is left as it is, half a last line and all.

    Raises:
        WrongUse: There is no journal, or a whole line of it is no entry.
    """
    if not path.is_file():
        why = "there is none, and a dry run asks for nothing"
        raise WrongUse(Problem(str(path), "the teacher's journal", why, "Run `sqlft build` once, with few examples."))
    try:
        entries = [Entry.model_validate_json(line) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise WrongUse(Problem(str(path), "the teacher's journal", why, "Mend or delete that line.")) from error
    answers = {entry.number: entry.answer["pairs"] for entry in entries if _holds_pairs(entry.answer)}
    return [
        Example(question=pair["question"].strip(), sql=pair["sql"].strip(), source=model)
        for number in sorted(answers)
        for pair in answers[number]
    ]


def _holds_pairs(answer: Any) -> bool:
    return isinstance(answer, dict) and "pairs" in answer


def request_key(**request: Any) -> str:
    """Hash of everything that a request is made of."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:24]


def _cut_half_line(path: Path) -> bool:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return False
    os.truncate(path, whole)
    return True
