"""Reads a recipe's file, and says everything that is wrong with it at once, each with its line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sqlft.problems import Problem, WrongUse
from sqlft.recipe.sections import Recipe


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and checks a recipe.

    Args:
        path: A YAML file.
        overrides: `KEY.SUBKEY=VALUE` each, the value read as YAML.

    Raises:
        WrongUse: All problems together.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
        places = list(_lines(yaml.compose(text, Loader=yaml.SafeLoader)))
    except OSError as error:
        raise WrongUse(
            Problem(str(path), "recipe", str(error.strerror), "Write the path of a recipe; `sqlft init` makes one.")
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a 30th of February
        raise WrongUse(Problem(str(path), "recipe", "not YAML: " + " ".join(str(error).split()))) from error
    if not isinstance(document, dict):
        raise WrongUse(Problem(str(path), "recipe", "not a mapping of sections", "Begin with `schema: schema.yaml`."))
    lines = dict(places)
    problems = [
        Problem(f"{path}:{line}", f"`{'.'.join(place)}`", "it stands here a second time", "Write it once.")
        for number, (place, line) in enumerate(places)
        if place in dict(places[:number])
    ]
    for override in overrides:
        if problem := _override(document, override):
            problems.append(problem)
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        problems += [_problem(path, lines, e) for e in error.errors()]
        raise WrongUse(problems) from error
    if problems:
        raise WrongUse(problems)
    recipe._path = path
    recipe._overrides = tuple(overrides)
    recipe._places = lines
    recipe.name = recipe.name or path.stem
    for key in ("schema_", "seeds", "golden", "imported"):
        if (given := getattr(recipe, key)) is not None:
            setattr(recipe, key, Path(os.path.normpath(path.parent / given)))
    asked = recipe.evaluation
    asked.questions = [Path(os.path.normpath(path.parent / given)) for given in asked.questions]
    return recipe


def _lines(node: yaml.Node | None, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*prefix, str(key.value))
            yield place, key.start_mark.line + 1
            yield from _lines(value, place)


def _override(document: dict[str, Any], override: str) -> Problem | None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        return Problem("command line", override, "not an override", "Write KEY.SUBKEY=VALUE.")
    *sections, last = key.split(".")
    place: Any = document
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            return Problem("command line", override, f"{section} has no keys of its own")
    try:
        place[last] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return Problem("command line", override, "the value is not YAML", "Quote it.")
    return None


def _problem(path: Path, lines: dict[tuple[str, ...], int], error: Any) -> Problem:
    place = tuple(str(part) for part in error["loc"])
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
    where = f"{path}:{line}" if line else str(path)
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        known = _keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        advice = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
        return Problem(where, f"`{key}`", "there is no such key", advice)
    if error["type"] == "missing":
        return Problem(where, f"`{key}`", "it is missing", f"Write `{place[-1]}: …`.")
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    what = f"`{key}`" if isinstance(given, dict | BaseModel) else f"`{key}: {given}`"
    return Problem(where, what, message[0].lower() + message[1:])


def _keys(place: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for name in place:
        if name.isdigit():  # a place in a list, whose items the model is already
            continue
        found = [f for key, f in model.model_fields.items() if name in (key, f.alias)]
        kinds = [found[0].annotation, *get_args(found[0].annotation)] if found else []
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            return []
        model = models[0]
    return [field.alias or key for key, field in model.model_fields.items()]
