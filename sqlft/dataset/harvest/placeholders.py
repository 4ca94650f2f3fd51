"""What stands for what is personal: of the same shape, one for each value, and none of them a value itself."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator

from sqlft.dataset.harvest.personal import Kind

_NAMES = (
    "Alex Robin Kim Sam Jules Noor Sasha Toni Charlie Dana Jamie Quinn Rowan Skyler Remy Andrea Morgan Jordan Casey "
    "Riley Avery Emery Finley Harper Kendall Lennon Marlow Peyton Reese Sidney Tatum Ashby Calder Ellery Garnet Heath "
    "Indigo Juniper Kestrel Linden Oakley Piper Quill Rivers Sable Thorne Winter Yarrow Zephyr"
).split()


class Placeholders:
    """Values and what stands for them.

    Args:
        taken: Texts, case folded, that may not be placeholders: they mean something.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = frozenset(taken)
        self._values: dict[str, Kind | None] = {}
        self._given: dict[str, str] = {}
        self._aliases: dict[str, str] = {}

    def note(self, text: str, kind: Kind) -> None:
        """Notes that a text is personal."""
        self._values.setdefault(_key(text, kind), _form(text, kind))

    def assign(self) -> None:
        """Gives each value that was noted its placeholder, in the order in which they were."""
        known = self._taken | set(self._values)
        names = (name for name in _spare_names() if name.casefold() not in known)
        counts: dict[Kind | None, Iterator[int]] = {}
        for value, form in self._values.items():
            numbers = counts.setdefault(form, itertools.count(1))
            candidates = names if form == "name" else (_made(value, form, number) for number in numbers)
            self._given[value] = next(made for made in candidates if made.casefold() not in known)

    def of(self, text: str, kind: Kind) -> str:
        """What stands for that text, which was noted."""
        given, form = self._given[_key(text, kind)], _form(text, kind)
        if form == "name":
            return given.upper() if text.isupper() and len(text) > 1 else given.lower() if text.islower() else given
        if form == "e-mail":
            return given if text.partition("@")[2] else given.partition("@")[0] + "@"
        return (
            _pour(given, text)
            if form == "long number"
            else given
            if "-" in text or form != "UUID"
            else given.replace("-", "")
        )

    def knows(self, text: str) -> bool:
        """Whether that word or number was noted."""
        return text.casefold() in self._values

    def hides_in(self, name: str) -> bool:
        """Whether a word or number that was noted is a part of a name."""
        folded = name.casefold()
        return any(len(value) >= 3 and value in folded for value in self._values)

    def name_for(self, alias: str) -> str:
        """A name in place of an alias that says too much."""
        return self._aliases.setdefault(alias, f"value_{len(self._aliases) + 1}")


def _form(text: str, kind: Kind) -> Kind:
    if kind in ("UUID", "IP address") or (kind == "e-mail" and "@" in text):
        return kind
    return "long number" if re.search(r"\d", text) else "name"


def _key(text: str, kind: Kind) -> str:
    return re.sub(r"\D", "", text) if _form(text, kind) == "long number" else text.casefold()


def _spare_names() -> Iterator[str]:
    yield from _NAMES
    for count in itertools.count(2):
        for parts in itertools.product(_NAMES, repeat=count):
            yield parts[0] + "".join(parts[1:]).lower()


def _made(value: str, form: Kind | None, number: int) -> str:
    if form == "e-mail":
        return f"user{number}@example.com"
    if form == "UUID":
        return f"00000000-0000-4000-8000-{number:012x}"
    if form == "IP address":  # networks that are nobody's: RFC 2544, RFC 3849
        return (
            f"2001:db8::{number:x}"
            if ":" in value
            else f"198.{18 + number // 2**16}.{number // 256 % 256}.{number % 256}"
        )
    return f"1{number:0{len(value) - 1}d}" if len(str(number)) < len(value) else str(number)


def _pour(digits: str, shape: str) -> str:
    """The digits in the places of the shape's digits; what is over stands where its first digit is."""
    surplus = len(digits) - sum(c.isdigit() for c in shape)
    rest = iter(digits[max(0, surplus) :])
    poured = "".join(next(rest, c) if c.isdigit() else c for c in shape)
    return digits[: max(0, surplus)] + poured if surplus > 0 else poured
