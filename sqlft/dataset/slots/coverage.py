"""How well slots are covered: of the pairs that were asked for, how many came, survived, and show what was asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlft.dataset.slots.axes import axes
from sqlft.records import Example

Coverage = dict[str, dict[str, dict[str, int]]]


def count_coverage(written: Sequence[Example], kept: Iterable[Example]) -> Coverage:
    """Counts pairs by each axis of their slots.

    Args:
        written: What the teacher wrote; pairs without a slot are left out.
        kept: The pairs of `written` that survived cleaning, told by their ids.

    Returns:
        {axis: {value: {"written", "kept", "shown"}}}; `shown` are the pairs kept whose SQL has the slot's construct.
    """
    survived = {example.id for example in kept}
    found: dict[str, dict[str, dict[str, int]]] = {}
    for example in written:
        slot = example.slot
        if slot is None:
            continue
        alive = example.id in survived
        survived.discard(example.id)  # the same question twice survives once
        shown = alive and axes().find_construct(slot.construct).is_in(example.sql)
        for axis, value in (
            ("level", slot.level),
            ("construct", slot.construct),
            ("cell", f"{slot.level} {slot.construct}"),
            ("tables", " + ".join(slot.tables)),
            ("style", slot.style),
            ("window", slot.window),
            ("term", slot.term or "none"),
            *([("category", slot.category)] if slot.category else []),
        ):
            counts = found.setdefault(axis, defaultdict(lambda: {"written": 0, "kept": 0, "shown": 0}))[value]
            counts["written"] += 1
            counts["kept"] += alive
            counts["shown"] += shown
    return {axis: dict(sorted(values.items())) for axis, values in found.items()}


def thin(coverage: Coverage, most: int = 5) -> list[str]:
    """The level and construct pairs of which the fewest pairs were kept, as 'hard window: 1 of 10'."""
    cells = sorted(coverage.get("cell", {}).items(), key=lambda cell: cell[1]["kept"])[:most]
    return [f"{name}: {counts['kept']} of {counts['written']}" for name, counts in cells]
