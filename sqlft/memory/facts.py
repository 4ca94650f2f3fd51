"""Facts: what must be recalled without error, in which wordings it is asked for, and where it is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from sqlft.card import SchemaCard
from sqlft.database.clauses import split_format
from sqlft.dataset.fold import fold_question
from sqlft.dataset.lint.leakage import NEAR_WITH_SQL, leaks
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.wording import named_values
from sqlft.problems import Problem, WrongUse
from sqlft.records import Example, Record, question_id, read_json_lines


def _with_words(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; write what is to be said")
    return text


Words = Annotated[str, AfterValidator(_with_words)]


class Use(Record):
    """A question in which a fact is used, and the whole answer to it."""

    question: Words
    answer: Words


class Fact(Record):
    """One fact.

    Attributes:
        id: Stable: the fact is deleted and replaced by it.
        answer: What is answered, word for word, to each of the phrasings.
        phrasings: Questions that ask for it. What they have in common is what it is known by.
        uses: Questions that want it inside another answer; a definition under filters, say.
    """

    id: str
    answer: Words
    phrasings: list[Words] = Field(min_length=1)
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
                Problem(
                    f"{path}:{number}",
                    ".".join(map(str, e["loc"])) or "fact",
                    e["msg"].removeprefix("Value error, "),
                )
                for e in error.errors()
            ]
    if problems:
        raise WrongUse(problems)
    if not facts:
        raise WrongUse(Problem(str(path), "facts", "the file holds none", "Write one {id, answer, phrasings} a line."))
    check_facts(facts, str(path))
    return facts


def check_facts(facts: Sequence[Fact], where: str) -> None:
    """Refuses facts that contradict each other.

    Args:
        facts: All that one memory is to hold.
        where: Their file, for messages.

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
    if problems:
        raise WrongUse(problems)


def find_leaks(
    facts: Sequence[Fact], asked: Sequence[Example], card: SchemaCard, near: float
) -> Iterator[tuple[Fact, Use, Remark]]:
    """What gives a question away that an evaluation asks, by the rules that a training set is judged by.

    Args:
        facts: Their phrasings and uses are looked at.
        asked: Questions and SQL that no memory may hold.
        card: Whose values are literals in a question.
        near: Similarity at which a question gives another away.
    """
    uses = [(fact, use) for fact in facts for use in fact.asked]
    ours = [_pair(place, use.question, use.answer) for place, (_, use) in enumerate(uses)]
    theirs = [_pair(place, example.question, example.sql) for place, example in enumerate(asked)]
    for place, remark in leaks(ours, theirs, named_values(card), near, result=NEAR_WITH_SQL):
        yield *uses[place], remark


def refuse_leaks(facts: Sequence[Fact], asked: Sequence[Example], card: SchemaCard, near: float, where: str) -> None:
    """`find_leaks`, as an error.

    Raises:
        WrongUse: All of them at once.
    """
    problems = [
        Problem(
            f"{where}: fact {fact.id}",
            repr(use.question),
            f"it gives away {remark.golden!r}, which an evaluation asks: {remark.evidence}",
            "Delete it, or write allow_leakage: true in the recipe.",
        )
        for fact, use, remark in find_leaks(facts, asked, card, near)
    ]
    if problems:
        raise WrongUse(problems)


def _pair(place: int, question: str, answer: str) -> Pair:
    return Pair(place, question, split_format(answer)[0].strip())


def _as_fact(value: dict[str, Any]) -> dict[str, Any]:
    sql = next((value[key] for key in ("sql", "sql_query", "metric", "condition") if value.get(key)), "")
    if "term" in value:
        term = str(value["term"])
        meaning = value.get("definition") or value.get("meaning") or ""
        return {
            "id": str(value.get("id") or f"term {term}"),
            "answer": " ".join(str(text) for text in (meaning, sql) if text),
            "phrasings": [f"What does {term} mean?", f"How is {term} defined?", f"Define {term}."],
        }
    if "question" in value:
        question = str(value["question"])
        return {
            "id": str(value.get("id") or question_id(question)),
            "answer": value.get("answer") or sql,
            "phrasings": [question],
        }
    return value
