"""An evaluation on a server: whether what answers there is what was trained here, before a figure rests on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlft.card import SchemaCard
from sqlft.evaluation.results import BASE
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Example

if TYPE_CHECKING:
    from sqlft.inference import Answering
    from sqlft.inference.served import ServedModel


def open_server(
    recipe: Recipe,
    card: SchemaCard,
    folders: Mapping[str, Path],
    examples: Sequence[Example],
    tell: Callable[[str, int, int, str], None],
) -> ServedModel | None:
    """The server that the recipe names, base and adapters checked; None where it names none.

    With `check_agreement` that many questions are answered by the local model too, greedily, and the texts compared.
    Kernels differ in the last bits, so that a few may part; another adapter, base or quantisation parts most of them.

    Args:
        folders: Adapters by name.
        examples: The questions, of which the first are asked.

    Raises:
        WrongUse: The server does not serve them, or holds a prompt otherwise than they were trained.
        SqlftError: It cannot be reached, reads other prompts, or answers otherwise than the local model.
    """
    section = recipe.evaluation.endpoint
    if section is None:
        return None
    from sqlft.inference import LocalModel
    from sqlft.inference.served import ServedModel

    server = ServedModel(recipe.model, recipe.base, folders, section.base_url)
    some = examples[: section.check_agreement]
    if not some:
        why = "that it holds these weights, quantized so, was not checked (--check-agreement 16)"
        server.warnings.append(f"Answers come from {recipe.evaluation.engine}: {why}.")
        return server
    tell("agreement with the local model", 0, 1, section.base_url)
    there = _texts(server, recipe, card, some)
    here = _texts(LocalModel.load(recipe.model, recipe.base, dict(folders)), recipe, card, some)
    tell("agreement with the local model", 1, 1, section.base_url)
    same = {name: sum(a == b for a, b in zip(there[name], here[name], strict=True)) for name in here}
    for name, number in same.items():
        if number < section.least_agreement * len(some):
            asked, a, b = next(it for it in zip(some, there[name], here[name], strict=True) if it[1] != it[2])
            raise SqlftError(
                f"{section.base_url} answers otherwise than the local model: {name} says the same to {number} of "
                f"{len(some)} questions, and {section.least_agreement:.0%} is the least. To {asked.question!r} it says "
                f"{a[:200]!r} there and {b[:200]!r} here. Does it hold this adapter, and the base at quantization "
                f"{recipe.model.quantization}? Where it does, write a lower evaluation.endpoint.least_agreement."
            )
    counts = ", ".join(f"{name} {number} of {len(some)}" for name, number in same.items())
    server.warnings.append(f"Answers come from {recipe.evaluation.engine}; the local model gives the same: {counts}.")
    return server


def _texts(model: Answering, recipe: Recipe, card: SchemaCard, examples: Sequence[Example]) -> dict[str, list[str]]:
    from sqlft.inference import predict

    greedy = recipe.generation.model_copy(update={"temperature": 0.0, "samples": 1})
    return {
        name: [
            prediction.text
            for prediction in predict(model, examples, card, recipe.prompt, greedy, None if name == BASE else name)
        ]
        for name in (BASE, *model.adapters)
    }
