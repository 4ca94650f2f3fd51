"""Where else does it break? Questions near one that was answered wrong are made, asked and judged, a few at a time.

What a few come to says where the next are looked for: nearest to those that failed just now. Each has its right SQL
from whoever writes the recipe's dataset, passes the checks of that dataset, and is judged by what the database gives.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

from sqlft.agent import Analyst
from sqlft.card import SchemaCard
from sqlft.comparison import Gold
from sqlft.dataset.clean import Waterfall
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.grammar import Template, widen
from sqlft.dataset.lint.wording import template as mask_sql
from sqlft.dataset.queries import Queries
from sqlft.dataset.slots import Failure
from sqlft.dataset.teacher import write_pairs
from sqlft.dataset.template_teacher import TemplateTeacher, draw_new
from sqlft.dataset.written import Confirm, with_format
from sqlft.evaluation.diagnosis import find_flags
from sqlft.evaluation.diagnosis.categories import Finding
from sqlft.evaluation.remedy.teach import read_slots
from sqlft.evaluation.results import Answer, Question
from sqlft.evaluation.scoring import check_gold, score, settle
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, Prediction, read_examples, write_jsonl

AT_ONCE = 8
"""Questions asked before their answers direct the next."""
PER_TEMPLATE = 6
"""Questions of one template at the most: a seventh failure of one kind tells little that six did not."""
_AT_A_TIME = 2  # of one template before its answers are known
_PATIENCE = 8  # pairs that may be dropped for each question that is wanted
_ROUNDS = 1000  # of a teacher that have seeds of their own
_SPARE = 2  # pairs that a teacher is asked for, for each question that is wanted
_USUAL = 0.2  # the share of wrong answers that is believed of what nothing is known of, as firmly as after one answer
_NARROW = 4  # how much less an answer says of a template that is less like its own
_PARTS = ("train", "validation", "heldout", "development", "heldout_templates")
Tell = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Probe:
    """A question near the failure, and what came of it.

    Attributes:
        question: With its right SQL, that SQL's result, its template and its level.
        answer: With the predicted SQL, its result, the verdict with its reasons, and why it is wrong (`findings`).
    """

    question: Question
    answer: Answer

    @property
    def failed(self) -> bool:
        """It is wrong; what cannot be judged is not."""
        return self.answer.verdict.status in ("mismatch", "invalid")

    @property
    def error(self) -> str:
        """What the database or the gate said of the predicted SQL; empty where it ran, or there was none."""
        said = self.answer.verdict.evidence
        return str(said.get("message") or said.get("error") or "") if self.answer.verdict.status == "invalid" else ""


@dataclass
class Breaking:
    """What was found.

    Attributes:
        probes: Those that failed first, each part in the order in which they were asked.
        dropped: Pairs that were made and not asked, by the reason of cleaning, 'known' for those that the run's dataset
            holds already, 'gold' for those whose own SQL cannot judge.
    """

    probes: list[Probe] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> list[Probe]:
        return [probe for probe in self.probes if probe.failed]


def break_it(
    recipe: Recipe,
    analyst: Analyst,
    failure: Example,
    predicted: str | None = None,
    *,
    n: int = 24,
    seed: int = 0,
    trial: Trial | None = None,
    confirm: Confirm | None = None,
    tell: Tell = lambda stage, done, of, note: None,
) -> Breaking:
    """Makes and asks up to n questions near one that was answered wrong.

    Near is the same template with other literals and in other words, one filter more or less, the same figure, group or
    construct elsewhere. None of them stands in the run's dataset or gives a golden question away, so that what is
    found may be kept as a pair to train on.

    Args:
        recipe: Its teacher writes: the offline grammar from its templates, an endpoint by slots drawn from the
            failures, with its journal in runs/NAME/break_it.
        analyst: Who answers; see `open_analyst`.
        failure: The question and its right SQL.
        predicted: The wrong SQL, where it is known: an endpoint is told what kind of mistake it makes.
        n: Questions at the most; fewer where no more are found.
        seed: The same seed makes the same questions, as long as the answers are the same.
        trial: That of an earlier call with this recipe, analyst and golden set, whose queries need not run again.
        confirm: Asked before an endpoint's calls, a round at a time; see `write_pairs`.
        tell: Told how many questions are answered.

    Raises:
        WrongUse: The failure has no SQL that can judge; or as `write_pairs`.
        SqlftError: The model, the teacher or the database fails, not their SQL.
    """
    trial = trial.anew() if trial else Trial(recipe, analyst)
    first = trial.judge(failure, predicted)
    writer: _Grammar | _Teacher
    if recipe.teacher.kind == "template":
        writer = _Grammar(trial, first, seed)
    else:
        writer = _Teacher(recipe, trial.card, first, seed, confirm)
    probes: list[Probe] = []
    while len(probes) < n and trial.dropped.total() < _PATIENCE * n:
        if not (made := writer.draw(min(AT_ONCE, n - len(probes)))):
            break
        asked = trial.ask(trial.sift(made)[: n - len(probes)])
        for probe in asked:
            writer.learn(probe)
        probes += asked
        tell("questions", len(probes), n, f"{sum(probe.failed for probe in probes)} failed")
    return Breaking(sorted(probes, key=lambda probe: not probe.failed), trial.dropped)


class Trial:
    """Passes pairs through the checks of the recipe's dataset, asks them and judges the answers.

    Attributes:
        dropped: See `Breaking`.
    """

    def __init__(self, recipe: Recipe, analyst: Analyst) -> None:
        self.card = SchemaCard.load(recipe.schema_)
        self.dropped: Counter[str] = Counter()
        self._recipe, self._analyst = recipe, analyst
        golden = [example for path in (recipe.golden, *recipe.evaluation.questions) for example in read_examples(path)]
        self._waterfall = Waterfall(recipe, self.card, golden, Queries(analyst.gate).run)
        parts = [recipe.run_dir / "dataset" / f"{part}.jsonl" for part in _PARTS]
        known = [example for path in parts if path.is_file() for example in read_examples(path)]
        self._held = {text for example in known for text in _texts(example)}
        self._new: set[str] = set()
        self._passed: list[Example] = []

    def anew(self) -> Trial:
        """The same with nothing asked yet."""
        other = copy(self)
        other.dropped, other._new, other._passed = Counter(), set(), []
        return other

    @cached_property
    def teacher(self) -> TemplateTeacher:
        """All templates that the card can fill."""
        return TemplateTeacher(self.card, self._recipe.seed)

    def sift(self, pairs: Sequence[Example]) -> list[Example]:
        """Those that are new, in text and SQL, and pass the dataset's checks beside all that passed before."""
        new = []
        for pair in pairs:
            if _texts(pair) & (self._held | self._new):
                self.dropped["known"] += 1
            else:
                self._new |= _texts(pair)
                new.append(with_format(pair, self._recipe.prompt.format_clause))
        cleaned = self._waterfall.clean([*self._passed, *new])
        before = len(self._passed)
        kept = [pair for place, pair in zip(cleaned.places, cleaned.kept, strict=True) if place >= before]
        ours = {pair.id for pair in new}
        self.dropped.update(gone.reason for gone in cleaned.rejected if gone.example.id in ours)
        self._passed += kept
        return kept

    def ask(self, pairs: Sequence[Example]) -> list[Probe]:
        """Asks all whose own SQL can judge, together."""
        questions, golds = check_gold(self._analyst.gate, pairs, _quiet)
        sound = [place for place, question in enumerate(questions) if question.gold == "sound"]
        self.dropped["gold"] += len(pairs) - len(sound)
        questions, golds = [questions[place] for place in sound], [golds[place] for place in sound]
        asked = {question.id: question.question for question in questions}
        return self._probe(questions, golds, self._analyst.agent.answer(asked, self._analyst.name))

    def judge(self, failure: Example, predicted: str | None) -> Probe:
        """The failure itself as one of the questions, which it will not be again.

        Raises:
            WrongUse: Its own SQL cannot judge.
        """
        plain = Example(**failure.model_dump(include={*Example.model_fields}))  # of a probe it is more than that
        questions, golds = check_gold(self._analyst.gate, [plain], _quiet)
        if not failure.sql or questions[0].gold != "sound":
            why = questions[0].gold_note or "nothing is near a question that the database cannot answer"
            raise WrongUse(Problem(failure.question, "the right SQL", why, "Write SQL that gives the right answer."))
        self._new |= _texts(failure)
        prediction = Prediction(
            id=failure.id, question=failure.question, model=self._analyst.name, text=predicted or "", sql=predicted
        )
        return self._probe(questions, golds, [prediction])[0]

    def _probe(self, questions: list[Question], golds: list[Gold], given: list[Prediction]) -> list[Probe]:
        answers = score(self._analyst.gate, questions, golds, {"asked": given}, _quiet)
        settle(questions, answers, find_flags(self.card))
        return [Probe(question, answer) for question, answer in zip(questions, answers["asked"], strict=True)]


class _Grammar:
    """Draws from the templates that are likeliest to fail, as far as those like them have failed.

    A template that failed brings in those with one filter more. That few are drawn of each sees to it that all that is
    near has its turn.
    """

    def __init__(self, trial: Trial, first: Probe, seed: int) -> None:
        teacher = trial.teacher
        self._rng = random.Random(f"{seed} {first.question.id}")
        self._templates = {template.id: template for template in teacher.templates}
        self._draws: Counter[str] = Counter()
        self._found: dict[str, Example] = {}
        self._evidence: list[tuple[frozenset[str], bool, float]] = []
        form = mask_sql(first.question.sql)
        near = [one for one in teacher.templates if one.id == first.question.template] or [
            one for one in teacher.templates if form in map(mask_sql, teacher.shown[one.id])
        ]
        near = near or [one for slot in _slots([first], trial.card) for one in teacher.fitting(slot)[0]]
        for template in near:
            self._learn(template, True, 1 / len(near))

    def draw(self, wanted: int) -> list[Example]:
        """So many new pairs; fewer where the templates have no more."""
        drawn: list[Example] = []
        order = self._rng.sample(list(self._templates.values()), len(self._templates))  # equals come in any order
        for template in sorted(order, key=self._believe, reverse=True):
            for _ in range(min(_AT_A_TIME, PER_TEMPLATE - self._draws[template.id], wanted - len(drawn))):
                self._draws[template.id] += 1
                if example := draw_new(template, self._rng, self._found):
                    drawn.append(example)
        return drawn

    def learn(self, probe: Probe) -> None:
        """Takes in what an answer to one of its pairs came to."""
        self._learn(self._templates[probe.question.template], probe.failed, 1.0)

    def _learn(self, template: Template, failed: bool, weight: float) -> None:
        self._evidence.append((_parts(template), failed, weight))
        for wider in widen(template) if failed else ():
            self._templates.setdefault(wider.id, wider)

    def _believe(self, template: Template) -> float:
        """The share of wrong answers to questions like its own, each counted as far as it is like them."""
        wrong, answers = _USUAL, 1.0
        ours = _parts(template)
        for theirs, failed, weight in self._evidence:
            alike = weight * (len(ours & theirs) / len(ours | theirs)) ** _NARROW
            wrong, answers = wrong + alike * failed, answers + alike
        return wrong / answers


class _Teacher:
    """Has an endpoint write pairs, by slots drawn from all that failed so far."""

    def __init__(self, recipe: Recipe, card: SchemaCard, first: Probe, seed: int, confirm: Confirm | None) -> None:
        self._recipe = recipe.model_copy(deep=True)
        if recipe.teacher.kind == "openai-batch":  # somebody is waiting
            self._recipe.teacher.kind = "openai"
        self._recipe.seed += _ROUNDS * (1 + seed)
        self._card, self._confirm, self._failed, self._rounds = card, confirm, [first], 0
        self._seeds = read_examples(recipe.seeds)
        self._folder = recipe.run_dir / "break_it" / f"{first.question.id}-{seed}"

    def draw(self, wanted: int) -> list[Example]:
        """About so many pairs, and some to spare."""
        self._rounds += 1
        folder, self._recipe.seed = self._folder / str(self._rounds), self._recipe.seed + 1
        self._recipe.teacher.examples = _SPARE * wanted
        write_jsonl(folder / "failures.jsonl", _slots(self._failed, self._card))
        return write_pairs(
            self._recipe,
            self._card,
            self._seeds,
            folder,
            _silent,
            confirm=self._confirm,
            failures=folder / "failures.jsonl",
        ).examples

    def learn(self, probe: Probe) -> None:
        """Takes in what an answer to one of its pairs came to."""
        self._failed += [probe] * probe.failed


def _slots(failed: Sequence[Probe], card: SchemaCard) -> list[Failure]:
    """What failed, as kinds of question; of what nothing says why it is wrong, the constructs alone count."""
    unexplained = [Finding(category="unexplained")]
    wrong = [(probe.question, probe.answer.findings) for probe in failed]
    return read_slots(wrong, card) or read_slots([(question, unexplained) for question, _ in wrong], card)


def _parts(template: Template) -> frozenset[str]:
    """What a template is made of: two are as like as the parts that they share, by Jaccard."""
    named = (template.roles.name, f"{template.metric} of", f"{template.frame.name} frame")
    return frozenset((*named, *template.where, *(f"by {part}" for part in template.group.split("+") if part)))


def _texts(pair: Example) -> set[str]:
    return {fold_question(pair.question), fold_sql(pair.sql)}


def _quiet(_done: int) -> None:
    pass


def _silent(_stage: str, _done: int, _of: int, _note: str) -> None:
    pass
