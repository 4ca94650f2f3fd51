"""What tells a prediction's query from gold's: differences of their shapes, as findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from sqlft.evaluation.diagnosis.categories import Category, Finding
from sqlft.evaluation.diagnosis.conditions import Condition, blind, plain
from sqlft.evaluation.diagnosis.expressions import Aggregate
from sqlft.evaluation.diagnosis.shape import Shape

_COUNTS = ("count", "uniqexact", "uniq")
_FACTOR = re.compile(r"^\d[\d.e+-]* \* ")
_LITERAL = re.compile(r"'[^']*'|\b\d+(\.\d+)?\b")


def differences(gold: Shape, prediction: Shape) -> list[Finding]:
    """Every difference that a rule names, in the order in which a reader would mend them; each category once."""
    found: dict[Category, list[str]] = {}

    def note(category: Category, detail: str) -> None:
        details = found.setdefault(category, [])
        if detail not in details:
            details.append(detail)

    _compare_joins(gold, prediction, note)
    within = _compare_aggregates(gold, prediction, note)
    _compare_conditions([*gold.conditions, *within[0]], [*prediction.conditions, *within[1]], note)
    _compare_keys(gold, prediction, note)
    _compare_items(gold, prediction, note, known=set(found))
    _compare_ends(gold, prediction, note)
    return [Finding(category=category, detail="; ".join(details)) for category, details in found.items()]


Note = Callable[[Category, str], None]


def _compare_joins(gold: Shape, prediction: Shape, note: Note) -> None:
    if gold.tables != prediction.tables:
        sides = ((gold.tables - prediction.tables, "is not read"), (prediction.tables - gold.tables, "is read"))
        note("wrong_join", " and ".join(f"{', '.join(sorted(names))} {what}" for names, what in sides if names))
    elif gold.joins != prediction.joins and (gold.keys == prediction.keys or _kinds(gold) != _kinds(prediction)):
        note("wrong_join", f"joined {_say_joins(prediction)}, not {_say_joins(gold)}")


def _kinds(shape: Shape) -> list[str]:
    return sorted(kind for kind, _ in shape.joins.elements())


def _say_joins(shape: Shape) -> str:
    said = [plain(f"{kind} on {keys}" if keys else kind).strip() for kind, keys in sorted(shape.joins.elements())]
    return " and ".join(said) or "to nothing"


def _compare_conditions(gold: Iterable[Condition], prediction: Iterable[Condition], note: Note) -> None:
    """Pairs what is left of both sides: the nearest first, each once."""
    ours, theirs = list(gold), list(prediction)
    for condition in list(ours):
        if condition in theirs:
            ours.remove(condition)
            theirs.remove(condition)
    rules: list[tuple[Category, Callable[[Condition, Condition], bool]]] = [
        ("date_range", lambda a, b: a.dated and b.dated),
        ("wrong_literal", lambda a, b: (_form(a), a.operator) == (_form(b), b.operator)),
        ("wrong_filter", lambda a, b: _form(a) == _form(b)),
        ("wrong_literal", lambda a, b: _LITERAL.sub("?", str(a)) == _LITERAL.sub("?", str(b))),
        ("wrong_filter", lambda a, b: not a.dated and not b.dated),
    ]
    for category, fits in rules:
        for one in list(ours):
            other = next((item for item in theirs if fits(one, item)), None)
            if other is not None:
                ours.remove(one)
                theirs.remove(other)
                if _form(one, whole=True) != _form(other, whole=True):
                    note("date_range" if one.dated else category, f"{other}, not {one}")
    for condition in ours:
        note("date_range" if condition.dated else "missing_filter", f"{condition} is missing")
    for condition in theirs:
        note("date_range" if condition.dated else "wrong_filter", f"{condition} is not asked for")


def _form(condition: Condition, whole: bool = False) -> str:
    """The subject without its aggregates, which are compared by themselves; `whole`: and the values."""
    text = blind(condition.subject)
    return f"{text} {condition.operator} {sorted(map(blind, condition.values))}" if whole else text


def _compare_keys(gold: Shape, prediction: Shape, note: Note) -> None:
    keys, others = _grouped(gold, prediction), _grouped(prediction, gold)
    ours, theirs = _more(keys.elements(), others.elements()), _more(others.elements(), keys.elements())
    if not ours and not theirs:
        return
    if sorted(_LITERAL.sub("?", key) for key in ours) == sorted(_LITERAL.sub("?", key) for key in theirs):
        return note("wrong_literal", f"{' and '.join(theirs)}, not {' and '.join(ours)}")
    note("wrong_grouping", f"by {' and '.join(theirs) or 'nothing more'}, not by {' and '.join(ours) or 'less'}")


def _grouped(shape: Shape, other: Shape) -> Counter[str]:
    """The keys; those of a GROUP BY without aggregates too, where the other has aggregates to the same keys."""
    return shape.keys + (shape.distinct if _absorbed(shape, other) else Counter())


def _absorbed(shape: Shape, other: Shape) -> bool:
    return bool(shape.distinct) and not other.distinct and shape.distinct <= other.keys - shape.keys


def _more(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    left = [blind(key) for key in theirs]
    found = []
    for key in ours:
        if blind(key) in left:
            left.remove(blind(key))
        else:
            found.append(plain(key))
    return sorted(found)


def _compare_aggregates(gold: Shape, prediction: Shape, note: Note) -> tuple[list[Condition], list[Condition]]:
    """Pairs aggregates; gives the conditions of the pairs, which may stand in WHERE on the other side."""
    ours = list((gold.aggregates - prediction.aggregates).elements())
    theirs = list((prediction.aggregates - gold.aggregates).elements())
    swaps: list[tuple[Aggregate, Aggregate]] = []
    within: tuple[list[Condition], list[Condition]] = ([], [])
    for fits in (_same_but_conditions, _same_but_over, _same_arguments, _both_count, _same_name):
        for one in list(ours):
            other = next((item for item in theirs if fits(one, item)), None)
            if other is None:
                continue
            ours.remove(one)
            theirs.remove(other)
            swaps += [(one, other)] * (fits is _both_count)
            if fits not in (_same_but_conditions, _both_count):
                _name_change(one, other, note)
            within[0].extend(one.conditions)
            within[1].extend(other.conditions)
    formulas = " ".join(item.text for item in gold.items if " / " in item.text)
    for one, other in swaps:  # users for sessions above or below the line: another rate
        note("wrong_metric" if f"⟦{one}⟧" in formulas else "distinct", _not(other, one))
    for one, other in zip(ours, theirs, strict=False):
        note("wrong_metric", _not(other, one))
    return within


def _name_change(one: Aggregate, other: Aggregate, note: Note) -> None:
    if (one.name, blind(one.arguments)) == (other.name, blind(other.arguments)):
        if blind(one.partition or "") != blind(other.partition or ""):
            note("wrong_grouping", _not(other, one))
        elif blind(one.order or "") != blind(other.order or ""):
            note("wrong_order", _not(other, one))
    elif blind(one.arguments) != blind(other.arguments):
        alike = _LITERAL.sub("?", one.arguments) == _LITERAL.sub("?", other.arguments)
        dated = re.search(r" (from|to) \d{4}-", one.arguments)
        note("wrong_metric" if not alike else "date_range" if dated else "wrong_literal", _not(other, one))
    elif one.name.partition("(")[0] == other.name.partition("(")[0]:
        note("wrong_literal", _not(other, one))
    else:
        note("wrong_aggregation", _not(other, one))


def _not(other: Aggregate, one: Aggregate) -> str:
    return plain(f"{other}, not {one}")


def _same_but_conditions(one: Aggregate, other: Aggregate) -> bool:
    return (one.name, one.arguments, one.partition, one.order) == (
        other.name,
        other.arguments,
        other.partition,
        other.order,
    )


def _same_but_over(one: Aggregate, other: Aggregate) -> bool:
    return (one.name, blind(one.arguments)) == (other.name, blind(other.arguments))


def _same_arguments(one: Aggregate, other: Aggregate) -> bool:
    return blind(one.arguments) == blind(other.arguments) and (one.partition is None) == (other.partition is None)


def _both_count(one: Aggregate, other: Aggregate) -> bool:
    return one.name in _COUNTS and other.name in _COUNTS and "" in (one.arguments, other.arguments)


def _same_name(one: Aggregate, other: Aggregate) -> bool:
    return one.name == other.name


def _compare_items(gold: Shape, prediction: Shape, note: Note, known: set[Category]) -> None:
    ours, theirs = list(gold.items), list(prediction.items)
    for same in (lambda item: item.text, lambda item: blind(item.text), lambda item: "@" in blind(item.text)):
        for one in list(ours):
            other = next((item for item in theirs if same(item) == same(one)), None)
            if other is None:
                continue
            ours.remove(one)
            theirs.remove(other)
            if blind(one.text) == blind(other.text):
                if abs(one.factor - other.factor) > 1e-9 * abs(one.factor):
                    note("scale", f"{other.factor:g} times it, not {one.factor:g}")
                elif one.rounded != other.rounded and one.text == other.text:
                    note("scale", "rounded" if other.rounded else "not rounded")
            elif one.text not in gold.keys and ("@" in blind(one.text) or "wrong_grouping" not in known):
                note("wrong_metric", f"{plain(other.text)}, not {plain(one.text)}")
    keys = {key for shape in (gold, prediction) for key in shape.keys}
    while ours and theirs and not (ours[0].text in keys or theirs[0].text in keys):
        note("wrong_metric", f"{plain(theirs.pop(0).text)}, not {plain(ours.pop(0).text)}")
    if "wrong_grouping" in known:  # a key that is not grouped by cannot be shown
        ours = [item for item in ours if item.text in prediction.keys or item.text not in gold.keys]
        theirs = [item for item in theirs if item.text in gold.keys or item.text not in prediction.keys]
    for item in ours:
        note("missing_column", plain(item.text))
    for item in theirs:
        note("extra_column", plain(item.text))


def _compare_ends(gold: Shape, prediction: Shape, note: Note) -> None:
    """ORDER BY, LIMIT, DISTINCT, WITH TOTALS."""
    ours, theirs = _order(gold, prediction), _order(prediction, gold)
    if (ours and ours[: len(theirs)] != theirs[: len(ours)]) or (ours and not theirs):
        note("wrong_order", f"by {_say_order(prediction) or 'nothing'}, not by {_say_order(gold)}")
    if gold.limits != prediction.limits:
        said = [
            ", ".join(f"LIMIT {plain(limit)}" for limit in shape.limits) or "no LIMIT" for shape in (prediction, gold)
        ]
        note("wrong_limit", f"{said[0]}, not {said[1]}")
    once, other = (
        bool(one.distinct) and not _absorbed(one, two) for one, two in ((gold, prediction), (prediction, gold))
    )
    if once != other:
        note("distinct", "duplicates are left in" if once else "duplicates are left out")
    if gold.totals != prediction.totals:
        note("totals", "WITH TOTALS is missing" if gold.totals else "WITH TOTALS is not asked for")


def _order(shape: Shape, other: Shape) -> list[tuple[str, bool]]:
    """The keys; those that the other cannot have, as it groups or measures otherwise, told by their kind alone."""
    order = [(_FACTOR.sub("", key), descending) for key, descending in shape.order]
    if set(shape.aggregates) == set(other.aggregates) and shape.keys == other.keys:
        return order
    return [("key" if key in shape.keys else blind(key), descending) for key, descending in order]


def _say_order(shape: Shape) -> str:
    return ", ".join(plain(key) + " DESC" * descending for key, descending in shape.order)
