"""Frames: SQL skeletons and their wordings, as frames.yaml gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Formatter

import yaml


@dataclass(frozen=True)
class Frame:
    """A SQL skeleton and its wordings.

    Attributes:
        plan: For each metric ('none' for none) its 'filters/group', '-' for no filter.
        ask: Wordings for any metric; those of `count` join them where it counts things, of `measure` where not.
        points: How much harder than one number it is.
        split: Two conditions to compare: 'period' or 'value'.
        holding: It asks for those whose rows they are: 'users with more than 3 sessions'.
        tail: A clause may follow the rows.
    """

    name: str
    sql: str
    plan: dict[str, str]
    ask: list[str] = field(default_factory=list)
    count: list[str] = field(default_factory=list)
    measure: list[str] = field(default_factory=list)
    points: int = 0
    split: str = ""
    holding: bool = False
    tail: bool = True


@cache
def frames() -> list[Frame]:
    """All frames."""
    text = files("sqlft.dataset.grammar").joinpath("frames.yaml").read_text(encoding="utf-8")
    return [Frame(name, **frame) for name, frame in yaml.safe_load(text).items()]


@cache
def slots(text: str) -> set[str]:
    """The names in a skeleton's or a wording's braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}
