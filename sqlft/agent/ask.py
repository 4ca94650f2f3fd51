"""A question in; a sentence, its SQL and its table out: the ladder's agent behind one gate, for as long as one asks.

What was written is kept in runs/NAME/ask/responses.jsonl, as the ladder's is: the same question is not written twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlft.agent.agent import Agent, Way
from sqlft.agent.chart import Chart, choose_chart
from sqlft.agent.retrieve import Bm25, Nearest, VectorSearch
from sqlft.agent.sentence import holds, say_cell, say_result
from sqlft.agent.writers import EndpointWriter, LocalWriter, Remembered, ServedWriter, Writer
from sqlft.card import SchemaCard
from sqlft.database import Gate, QueryError, Result
from sqlft.dataset.journal import Journal
from sqlft.dataset.queries import Queries, recipe_gate
from sqlft.inference import LocalModel
from sqlft.inference.endpoint import open_client
from sqlft.inference.extract import declines
from sqlft.inference.served import ServedModel
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_prompt
from sqlft.recipe import Recipe
from sqlft.records import Prediction, question_id, read_examples

TOLD = 20
"""Rows of a result that a model is shown to put it into words."""
LONGEST_SAID = 300
LISTED = 20
Tell = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Reply:
    """What a question came to.

    Attributes:
        prediction: The SQL as it was written, with attempts, tokens, dollars and the facts that a memory opened.
        sentence: The answer in words; where there is none, why.
        result: What the SQL gave; None where no answer came.
        chart: How the result can be drawn; None where it cannot.
        declined: The model says that the database cannot tell.
        told_by: Who wrote the sentence: 'template', or a model's name.
        seconds: From the question to the sentence.
    """

    prediction: Prediction
    sentence: str
    result: Result | None = None
    chart: Chart | None = None
    declined: bool = False
    told_by: str = "template"
    seconds: float = 0.0

    @property
    def sql(self) -> str | None:
        """What ran, or would not run; None where the model wrote none."""
        return self.prediction.sql


@dataclass(frozen=True)
class Analyst:
    """An agent with its gate open, and its model loaded once it is needed. See `open_analyst`.

    Attributes:
        recipe: Whose database, prompt and decoding it uses.
        agent: Who writes.
        gate: Where all SQL runs.
        name: The model's, in predictions.
        teller: Who puts results into words, and under which name; a template alone where None.
        notes: What a user must be told, as far as it is known yet.
    """

    recipe: Recipe
    agent: Agent
    gate: Gate
    name: str
    teller: tuple[Remembered, str] | None = None
    notes: list[str] = field(default_factory=list)

    def ask(self, question: str) -> Reply:
        """Writes SQL, runs it, thinks again where the recipe says so, and says what came of it.

        Raises:
            WrongUse: No question, or one that is too long for the model.
            SqlftError: The model, the endpoint or the database fails, not its SQL.
        """
        began = time.perf_counter()
        if not question.strip():
            raise WrongUse(Problem("QUESTION", "no question", "there is nothing to answer", "Write one in quotes."))
        queries = Queries(self.gate)
        agent = replace(self.agent, gate=queries)
        (prediction,) = agent.answer({question_id(question): question.strip()}, self.name)
        return replace(self._reply(prediction, queries), seconds=time.perf_counter() - began)

    def _reply(self, prediction: Prediction, queries: Queries) -> Reply:
        said = " ".join(prediction.text.rpartition("</think>")[2].split())[:LONGEST_SAID]
        if prediction.sql is None and declines(prediction.text):
            return Reply(prediction, f"The model says that the database cannot answer this: {said}", declined=True)
        if prediction.sql is None:
            return Reply(prediction, f"The model wrote no SQL, but {said!r}.")
        (ran,) = queries.run([prediction.sql])
        if isinstance(ran, QueryError):
            kind = "was refused" if ran.kind == "refused" else "does not run"
            sql = " ".join(prediction.sql.split())[:LONGEST_SAID]
            return Reply(prediction, f"The SQL that the model wrote {kind}: {ran} It was: {sql}")
        chart = choose_chart(ran)
        told = self._tell(prediction.question, prediction.sql, ran)
        sentence = told or say_result(ran, chart)
        by = self.teller[1] if told and self.teller else "template"
        return Reply(prediction, sentence, ran, chart, told_by=by)

    def _tell(self, question: str, sql: str, result: Result) -> str | None:
        if self.teller is None or not result.rows:
            return None
        lines = [result.columns, *(map(say_cell, row, result.types) for row in result.rows[:TOLD])]
        table = "\n".join(map(" | ".join, lines))
        more = {"more": len(result.rows) > TOLD, "rows": result.total_rows or len(result.rows)}
        chat = [{"role": "user", "content": render_prompt("sentence", question=question, result=table, **more)}]
        remembered, name = self.teller
        greedy = Way().decoding(self.recipe).model_copy(update={"temperature": 0.0})
        try:
            sentence = remembered.write([chat], greedy)[0][0].text.strip()
        except SqlftError as error:  # the answer is there already
            self.notes.append(f"the sentence is the template's, since {name} wrote none: {error}")
            return None
        return sentence if holds(sentence, result, question, sql) else None


@contextmanager
def open_analyst(
    recipe: Recipe,
    adapter: tuple[str, Path] | None = None,
    *,
    endpoint: str | None = None,
    model: str | None = None,
    memory: bool = False,
    tell: Tell = lambda stage, done, of, note: None,
) -> Iterator[Analyst]:
    """Opens the recipe's database and the one who answers about it; what `agent.ask` lists is how.

    Args:
        recipe: The run.
        adapter: An adapter's name and folder; the base alone where None.
        endpoint: An OpenAI-compatible server's address; this machine where None.
        model: A model's name there; the adapter's, or the base's, where None.
        memory: With the memory that `sqlft memorize` made beside them.
        tell: Told how far loading is.

    Raises:
        WrongUse: A memory that is not there, a model that is not served; recipe, card or seeds that cannot be.
        SqlftError: The database or the server cannot be reached.
    """
    with open_analysts(recipe, [adapter], endpoint=endpoint, model=model, memory=memory, tell=tell) as (analyst,):
        yield analyst


@contextmanager
def open_analysts(
    recipe: Recipe,
    adapters: Sequence[tuple[str, Path] | None],
    *,
    endpoint: str | None = None,
    model: str | None = None,
    memory: bool = False,
    tell: Tell = lambda stage, done, of, note: None,
) -> Iterator[list[Analyst]]:
    """`open_analyst` for each of these, who share the gate, what is kept, the notes and one loaded model.

    With `memory`, those have one beside whom one was made; one at least must. They are to be asked one at a time.
    """
    card, way = SchemaCard.load(recipe.schema_), Way.of(recipe, recipe.agent.ask)
    seeds = read_examples(recipe.seeds) if way.shots else []
    notes: list[str] = []
    writers: list[tuple[str, Writer, tuple[Writer, str] | None]] = []
    if endpoint is None:
        if model:
            raise WrongUse(Problem("--model", model, "it names a model of a server", "Write --endpoint URL too."))
        for adapter, local in zip(adapters, _local(recipe, adapters, memory, notes, tell), strict=True):
            writers.append((adapter[0] if adapter else "base", local, None))
    else:
        if memory:
            why = "a memory works in the local model alone"
            raise WrongUse(Problem("--memory", "on a server", why, "Leave one out."))
        writers += [_served(recipe, adapter, endpoint, model, notes) for adapter in adapters]
    with recipe_gate(recipe, card) as gate, Journal(recipe.run_dir / "ask" / "responses.jsonl") as journal:
        section = recipe.agent.embeddings
        nearest: Nearest = VectorSearch(section, seeds, journal) if section else Bm25(seeds)
        notes[:0] = gate.warnings
        decoding, analysts = way.decoding(recipe), []
        for name, writer, teller in writers:
            agent = Agent(Remembered(writer, journal), gate, card, recipe.prompt, decoding, way, seeds, nearest)
            told_by = teller and (Remembered(teller[0], journal), teller[1])
            analysts.append(Analyst(recipe, agent, gate, name, told_by, notes))
        yield analysts


def _local(
    recipe: Recipe, adapters: Sequence[tuple[str, Path] | None], memory: bool, notes: list[str], tell: Tell
) -> list[LocalWriter]:
    folders = [recipe.memory_dir(bool(adapter)) if memory else None for adapter in adapters]
    held = [folder if folder and (folder / "memory.json").is_file() else None for folder in folders]
    if any(held) and len(adapters) > 1:
        from sqlft.memory.store import is_beside

        both = zip(held, adapters, strict=True)
        held = [own if own and (not adapter or is_beside(own, adapter[1])) else None for own, adapter in both]
    if memory and not any(held):
        where = " and ".join(dict.fromkeys(map(str, folders)))
        raise WrongUse(Problem("--memory", where, "there is none", "Make one with `sqlft memorize` first."))
    loaded: list[LocalModel] = []

    def load() -> LocalModel:
        if not loaded:
            tell("loading the base", 0, 1, recipe.base)
            loaded.append(LocalModel.load(recipe.model, recipe.base, dict(filter(None, adapters))))
            tell("loading the base", 1, 1, recipe.base)
            notes.extend(loaded[0].warnings)
        return loaded[0]

    return [LocalWriter(recipe, adapter, load, beside) for adapter, beside in zip(adapters, held, strict=True)]


def _served(
    recipe: Recipe, adapter: tuple[str, Path] | None, url: str, model: str | None, notes: list[str]
) -> tuple[str, Writer, tuple[Writer, str]]:
    """Who writes there, under which name, and who puts results into words."""
    own, base = adapter[0] if adapter else None, recipe.model.base
    if model and model not in (own, base):
        foreign = EndpointWriter(recipe, model, url)
        return model, foreign, (foreign, model)
    name = model or own or base
    with open_client(name, url) as client:
        served = {card.id: getattr(card, "max_model_len", None) for card in client.models.list()}
    # `transformers serve` lists its cache, without lengths: there a name that somebody wrote is taken on trust
    if name not in served and (any(served.values()) or not model):
        why = f"it serves {', '.join([*served][:LISTED]) or 'nothing that it lists'}{' …' * (len(served) > LISTED)}"
        raise WrongUse(Problem(url, name, why, "Write --model NAME with one of these, or serve it under this name."))
    tuned = {own: adapter[1]} if adapter and own and name == own else {}
    held = ServedModel(recipe.model, recipe.base, tuned, url)
    notes.extend(held.warnings)
    held.warnings = notes  # what it finds while it answers comes there too
    return name, ServedWriter(recipe, held, next(iter(tuned), None)), (EndpointWriter(recipe, base, url), base)
