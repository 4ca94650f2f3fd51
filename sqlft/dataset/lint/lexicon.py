"""The words and patterns that the checks know, from words.yaml."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Any

import yaml


@functools.cache
def _read() -> dict[str, Any]:
    return dict(yaml.safe_load(files("sqlft.dataset.lint").joinpath("words.yaml").read_text(encoding="utf-8")))


def words(name: str) -> Any:
    """An entry as it stands: a list, or a mapping."""
    return _read()[name]


def alternatives(name: str) -> str:
    """An entry as a regular expression, other entries put in where it names them."""
    entry = words(name)
    text = entry if isinstance(entry, str) else "|".join(entry)
    return re.sub(r"\{([a-z_]+)\}", lambda found: alternatives(found[1]), text)


def pattern(name: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """`alternatives`, compiled."""
    return re.compile(alternatives(name), flags)


MEANT = {said: value for value, names in words("said").items() for said in names}
"""What is meant by each saying, lower case."""

SAYINGS = {
    value: [name for name in names if len(name) > 3 or name in ("uk", "usa", "mac")]
    for value, names in words("said").items()
}
"""What else a question may call each value; codes of two letters, which are words too, left out."""
