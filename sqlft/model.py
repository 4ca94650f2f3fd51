"""A fine-tuned model as an object: a question in, a prediction or its SQL out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.inference import LocalModel, predict
from sqlft.memory import load_memory
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, Prediction
from sqlft.training import TrainingRun


class SqlModel:
    """A loaded base with one adapter, or with none, that answers about one database.

    Attributes:
        recipe: Whose prompt and decoding it uses.
        adapter: The adapter's folder; None for the base alone.
    """

    def __init__(self, recipe: Recipe, adapter: Path | None, memory: bool = False) -> None:
        self.recipe = recipe
        self.adapter = adapter
        self._card = SchemaCard.load(recipe.schema_)
        self._local = LocalModel.load(recipe.model, recipe.base, {"adapter": adapter} if adapter else None)
        self._memory = memory
        if memory:
            load_memory(self._local, recipe.memory_dir(bool(adapter)))

    @classmethod
    def load(
        cls, source: TrainingRun | Recipe | Path | str, adapter: Path | str | None = None, memory: bool = False
    ) -> SqlModel:
        """Loads what `source` names; see `sqlft.load`."""
        if isinstance(source, TrainingRun):
            source = source.folder
        recipe = source if isinstance(source, Recipe) else recipe_of(Path(source))
        own = recipe.run_dir / "adapter"
        if not isinstance(source, Recipe) and (folder := Path(source)).is_dir():
            own = folder if (folder / "adapter_config.json").is_file() else folder / "adapter"
            return cls(recipe, Path(adapter or own), memory)
        return cls(recipe, Path(adapter) if adapter else own if own.is_dir() else None, memory)

    def predict(self, question: str) -> Prediction:
        """The model's answer: its text, the SQL in it, tokens and time."""
        return self.predict_many([question])[0]

    def predict_many(self, questions: Sequence[str]) -> list[Prediction]:
        """The answers to several questions, in order, batched.

        Raises:
            WrongUse: A question is too long for the model's context.
        """
        generation = self.recipe.generation.model_copy(update={"samples": 1})
        examples = [Example(id=str(number), question=question, sql="") for number, question in enumerate(questions, 1)]
        name = "adapter" if self.adapter else None
        return predict(
            self._local,
            examples,
            self._card,
            self.recipe.prompt,
            generation,
            name,
            memory=self._memory,
            seed=self.recipe.seed,
        )

    def sql(self, question: str) -> str:
        """The SQL that answers a question. It is not run, and not to be trusted: run it through `sqlft query`.

        Raises:
            SqlftError: The answer holds no SQL.
        """
        prediction = self.predict(question)
        if prediction.sql is None:
            raise SqlftError(f"There is no SQL in the answer to {question!r}: {prediction.text[:200]!r}")
        return prediction.sql


def recipe_of(path: Path) -> Recipe:
    """The recipe at a path, or the one that the run in that folder (or beside that adapter) was made with."""
    if path.is_file():
        return load_recipe(path)
    for manifest in (path / "run.json", path.parent / "run.json"):
        if manifest.is_file():
            run = json.loads(manifest.read_text(encoding="utf-8"))
            recipe = Recipe.model_validate(run["recipe"])
            recipe.model.base = run["identity"]["base"]
            return recipe
    raise WrongUse(
        Problem(str(path), "model", "neither a recipe nor a folder of a finished run", "Write RECIPE, or runs/NAME.")
    )
