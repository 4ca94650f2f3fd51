"""What people decide about the rows of a run's dataset: kept as they decided it, and done to the files at once.

A decision is a line of dataset/review.jsonl. Rejecting moves the row out of its part into rejected.jsonl, editing
replaces it where it stands, and accepting takes a rejection by hand back; training reads the parts, and so trains on
what is left. The next build reads the decisions, and drops and replaces the same pairs again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlft.comparison.fingerprint import fingerprint
from sqlft.database import Result
from sqlft.dataset.split import PARTS
from sqlft.problems import Problem, WrongUse
from sqlft.records import (
    Example,
    Record,
    Rejected,
    append_jsonl,
    locked,
    question_id,
    read_examples,
    read_jsonl,
    write_jsonl,
)  # fmt: skip

if TYPE_CHECKING:
    from sqlft.dataset.clean import Cleaned

FILE = "review.jsonl"
BY_HAND = "by_hand"
Choice = Literal["accept", "edit", "reject"]


class Decision(Record):
    """What was decided about a row.

    Attributes:
        part: Where it stood.
        example: The row, as it stood there.
        edited: What it was replaced by.
    """

    part: str
    choice: Choice
    example: Example
    edited: Example | None = None
    time: datetime.datetime

    @property
    def key(self) -> tuple[str, str]:
        return self.example.question, self.example.sql


class Review:
    """The decisions about a run's dataset. Each takes effect before it returns, one at a time, whoever decides.

    Args:
        folder: runs/NAME/dataset.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def decisions(self) -> dict[tuple[str, str], Decision]:
        """The last decision about each pair, by question and SQL."""
        path = self.folder / FILE
        return {one.key: one for one in read_jsonl(path, Decision)} if path.is_file() else {}

    def rows(self, part: str) -> list[Rejected]:
        """The rows of a part, or of rejected.jsonl with the reason; a part that is not there has none.

        Raises:
            WrongUse: A line that is no such row.
        """
        path = self.folder / f"{part}.jsonl"
        if not path.is_file():
            return []
        if part == "rejected":
            return read_jsonl(path, Rejected)
        return [Rejected(example=example, reason="") for example in read_examples(path)]

    def accept(self, part: str, example: Example) -> str:
        """Notes that a row is good; one that was rejected by hand goes back to where it came from. Where it is now.

        Raises:
            WrongUse: It is not there any more, or a step of cleaning rejected it.
        """
        with locked(self.folder / FILE) as journal:
            rows = self.rows(part)
            row = rows[_place(rows, example, part)]
            if part == "rejected":
                if row.reason != BY_HAND:
                    why = f"cleaning dropped it: {row.reason.replace('_', ' ')}, {row.evidence}"
                    write = "Keep it, corrected, as a training candidate; the next build judges it."
                    raise WrongUse(Problem("rejected.jsonl", repr(example.question), why, write))
                part = row.evidence
                if part not in PARTS:
                    why = f"it came from {part!r}, which is no part of a dataset"
                    raise WrongUse(Problem("rejected.jsonl", repr(example.question), why, "Mend that line by hand."))
            append_jsonl(journal, Decision(part=part, choice="accept", example=example, time=_now()))
            if row.reason:
                there = [one for one in self.rows(part) if one.example != example]  # after a kill it stands in both
                self._write(part, [*there, Rejected(example=example, reason="")])
                self._write("rejected", [one for one in rows if one is not row])
            self._tell(part)
        return part

    def reject(self, part: str, example: Example) -> None:
        """Moves a row to rejected.jsonl, so that nothing trains on it and no build takes it again.

        Raises:
            WrongUse: It is not there any more, or is rejected already.
        """
        with locked(self.folder / FILE) as journal:
            if part == "rejected":
                why = "it is rejected already"
                raise WrongUse(Problem("rejected.jsonl", repr(example.question), why, "Accept it to take it back."))
            rows = self.rows(part)
            del rows[_place(rows, example, part)]
            append_jsonl(journal, Decision(part=part, choice="reject", example=example, time=_now()))
            # first where it goes, then where it was: a kill between leaves it in both, never in none
            moved = Rejected(example=example, reason=BY_HAND, evidence=part)
            self._write("rejected", [*(one for one in self.rows("rejected") if one != moved), moved])
            self._write(part, rows)
            self._tell(part)

    def edit(self, part: str, example: Example, question: str, sql: str, result: Result) -> Example:
        """Replaces a row's question and SQL, whose result a gate gave; the new row, which has passed no other check.

        Raises:
            WrongUse: It is not there any more, it is a rejected one, half of the new pair is missing, or the pair
                stands in the dataset already.
        """
        if not question.strip() or not sql.strip():
            write = "Write both, or reject the row."
            raise WrongUse(Problem(f"{part}.jsonl", repr(example.question), "half a pair teaches nothing", write))
        new = example.model_copy(
            update={
                "question": question.strip(),
                "sql": sql.strip(),
                "id": question_id(question) if example.id == question_id(example.question) else example.id,
                "source": "hand",
                "template": "",
                "checks": [],
                "fingerprint": fingerprint(result),
            }
        )
        with locked(self.folder / FILE) as journal:
            if part == "rejected":
                write = "Keep the corrected pair as a training candidate."
                raise WrongUse(Problem("rejected.jsonl", repr(example.question), "nothing reads it", write))
            rows = self.rows(part)
            place = _place(rows, example, part)
            others = [one.example for n, one in enumerate(rows) if n != place]
            if any((one.question, one.sql) == (new.question, new.sql) for one in others):
                why = f"{part} holds this pair already"
                raise WrongUse(Problem(f"{part}.jsonl", repr(new.question), why, "Reject one of the two."))
            append_jsonl(journal, Decision(part=part, choice="edit", example=example, edited=new, time=_now()))
            rows[place] = Rejected(example=new, reason="")
            self._write(part, rows)
            self._tell(part)
        return new

    def apply_edits(self, examples: Iterable[Example]) -> list[Example]:
        """The pairs of a new build, with those replaced that were edited."""
        decided, found = self.decisions(), []
        for example in examples:
            seen = set()
            while (one := decided.get((example.question, example.sql))) and one.edited and one.key not in seen:
                seen.add(one.key)
                example = one.edited
            found.append(example)
        return found

    def drop_rejected(self, cleaned: Cleaned) -> None:
        """Takes what was rejected by hand out of what a new build's cleaning kept; so, too, what was edited while it
        cleaned: the next build cleans what that was replaced by.
        """
        decided = self.decisions()
        left = []
        for place, example, now in zip(cleaned.places, cleaned.kept, self.apply_edits(cleaned.kept), strict=True):
            one = decided.get((example.question, example.sql))
            if one and (one.choice == "reject" or (now.question, now.sql) != one.key):
                cleaned.rejected.append(Rejected(example=example, reason=BY_HAND, evidence=one.part))
            else:
                left.append((place, example))
        cleaned.places, cleaned.kept = [place for place, _ in left], [example for _, example in left]

    def _write(self, part: str, rows: list[Rejected]) -> None:
        path = self.folder / f"{part}.jsonl"
        if part == "rejected":
            write_jsonl(path, rows)
        else:
            write_jsonl(path, (row.example for row in rows), whole=True)

    def _tell(self, changed: str) -> None:
        """Writes into dataset.json what the files hold now."""
        told = self.folder / "dataset.json"
        if not told.is_file():
            return
        report = json.loads(told.read_text(encoding="utf-8"))
        for part in {changed, "rejected"}:
            path = self.folder / f"{part}.jsonl"
            if path.is_file():
                report["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
                report["counts"] |= {part: len(self.rows(part))} if part != "rejected" else {}
        report["rejected"] = dict(Counter(row.reason for row in self.rows("rejected")).most_common())
        partial = told.with_name("dataset.json.partial")
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        partial.replace(told)


def _place(rows: list[Rejected], example: Example, part: str) -> int:
    for place, row in enumerate(rows):
        if row.example == example:
            return place
    why = f"it is not in {part} any more: somebody decided about it, or it was built anew"
    raise WrongUse(Problem(f"{part}.jsonl", repr(example.question), why, "Look at the rows again."))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
