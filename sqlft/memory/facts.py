"""Facts: what must be recalled without error, in which wordings it is asked for, and where it is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from sqlft.dataset.fold import fold_question
from sqlft.problems import Problem, WrongUse
from sqlft.records import Record, question_id, read_json_lines


class Use(Record):
    """A question in which a fact is used, and the whole answer to it."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Fact(Record):
    """One fact.

    Attributes:
        id: Stable: the fact is deleted and replaced by it.
        answer: What is answered, word for word, to each of the phrasings.
        phrasings: Questions that ask for it. What they have in common is what it is known by.
        uses: Questions that want it inside another answer; a definition under filters, say.
    """

    id: str
    answer: str = Field(pattern=r"\S")
    phrasings: list[str] = Field(min_length=1)
    uses: list[Use] = Field(default_factory=list)

    @property
    def asked(self) -> list[Use]:
        """All questions that lead to it, with their answers."""
        return [*(Use(question=phrasing, answer=self.answer) for phrasing in self.phrasings), *self.uses]


def read_facts(path: Path) -> list[Fact]:
    """Reads facts, question/SQL pairs, or a glossary (term, definition, sql), in any mixture, from JSONL.

    Raises:
        WrongUse: Every line that is none of these, two facts of one id, and what `check_facts` refuses.
    """
    facts, problems = [], []
    for number, value in read_json_lines(path):
        try:
            facts.append(Fact.model_validate(_as_fact(value)))
        except ValidationError as error:
            problems += [
                Problem(f"{path}:{number}", ".".join(map(str, e["loc"])) or "fact", e["msg"]) for e in error.errors()
            ]
    if problems:
        raise WrongUse(problems)
    if not facts:
        raise WrongUse(Problem(str(path), "facts", "the file holds none", "Write one {id, answer, phrasings} a line."))
    check_facts(facts, str(path))
    return facts


def check_facts(facts: Sequence[Fact], where: str, golden: Iterable[str] = ()) -> None:
    """Refuses facts that contradict each other, and those that give a golden question away.

    Args:
        facts: All that one memory is to hold.
        where: Their file, for messages.
        golden: Questions that no memory may hold.

    Raises:
        WrongUse: All of them at once.
    """
    ids: dict[str, list[Fact]] = defaultdict(list)
    answers: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for fact in facts:
        ids[fact.id].append(fact)
        for asked in fact.asked:
            answers[fold_question(asked.question)].setdefault(asked.answer, (fact.id, asked.question))
    problems = [
        Problem(where, f"fact {name}", f"{len(same)} facts have this id", "Give each its own.")
        for name, same in ids.items()
        if len(same) > 1
    ]
    for given in answers.values():
        if len(given) > 1:
            (one, question), (other, _) = list(given.values())[:2]
            who = f"fact {one}" if one == other else f"facts {one} and {other}"
            why = "one question cannot have two answers: " + " / ".join(repr(a[:60]) for a in list(given)[:2])
            problems.append(Problem(where, f"{who}, {question!r}", why, "Reword or delete one."))
    forbidden = {fold_question(question) for question in golden}
    problems += [
        Problem(
            where, f"fact {fact.id}, {asked.question!r}", "it stands in the golden set, which measures", "Delete it."
        )
        for fact in facts
        for asked in fact.asked
        if fold_question(asked.question) in forbidden
    ]
    if problems:
        raise WrongUse(problems)


def _as_fact(value: dict[str, Any]) -> dict[str, Any]:
    sql = value.get("sql", value.get("sql_query"))
    if "term" in value:
        term = str(value["term"])
        meaning = value.get("definition") or value.get("meaning") or ""
        return {
            "id": str(value.get("id") or f"term {term}"),
            "answer": " ".join(text for text in (meaning, sql) if text),
            "phrasings": [f"What does {term} mean?", f"How is {term} defined?", f"Define {term}."],
        }
    if "question" in value:
        question = str(value["question"])
        return {
            "id": str(value.get("id") or question_id(question)),
            "answer": value.get("answer", sql) or "",
            "phrasings": [question],
        }
    return value
