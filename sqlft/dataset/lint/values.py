"""Values, dimensions and terms that the question names and the SQL leaves out, and the reverse."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from sqlglot import exp

from sqlft.card import Column, GlossaryTerm
from sqlft.dataset.lint.lexicon import SAYINGS, pattern, words
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark, disagreement

_NEGATED = pattern("negated")
_COLLECTIVE = pattern("collective")
_OTHER_NAMES = words("other_names")


def values_disagree(pair: Pair) -> Iterator[Remark]:
    """At most one remark on each low-cardinality column of the card."""
    if pair.card is None or pair.tree is None:
        return
    for column in _listed_columns(pair):
        held = _held(pair, column)
        named = {value for value in map(str, column.values or []) if is_named(value, pair)}
        all_values = set(map(str, column.values or []))
        shown = column.name.lower() in pair.used
        evidence = _named_only(pair, column, named, held, all_values, shown) or _held_only(pair, column, named, held)
        if evidence:
            yield disagreement(evidence)
        elif not shown and is_dimension_named(pair, column) and not _inside_value(pair, column):
            yield disagreement(f"the question names the {column.term}, the SQL does not use {column.name}")


def terms_disagree(pair: Pair) -> Iterator[Remark]:
    """Terms of the glossary whose condition or columns the SQL leaves out."""
    if pair.card is None or pair.tree is None:
        return
    said = pair.words
    for entry in sorted(pair.card.glossary, key=lambda e: -len(e.term)):
        pattern = _term_pattern(entry, pair)
        if not pattern or not re.search(pattern, said):
            continue
        said = re.sub(pattern, " ", said)
        missing = _missing(entry, pair)
        if missing:
            meant = entry.condition or entry.metric
            yield disagreement(f"the question speaks of '{entry.term}', which is {meant}: {missing}")
            return


def is_named(value: str, pair: Pair) -> bool:
    """Whether the question names a value, by itself or as people say it."""
    if value == "Edge" and "Edge" not in pair.question and "edge" not in pair.question:
        return False
    return bool(_saying(value).search(pair.words))


@functools.cache
def _saying(value: str) -> re.Pattern[str]:
    sayings = "|".join(re.escape(said.lower()) for said in (value, *SAYINGS.get(value, [])))
    return re.compile(rf"(?<!\w)({sayings})(s|'s)?(?!\w)")


def is_dimension_named(pair: Pair, column: Column) -> bool:
    """Whether the question names a column by its term, its own name, or what else people call it."""
    names = [re.escape(column.name.lower().replace("_", " "))]
    if column.term:
        term = column.term.lower()
        names += [
            _OTHER_NAMES.get(
                term, rf"{re.escape(term[:-1])}(y|ies)" if term.endswith("y") else rf"{re.escape(term)}(s|es)?"
            )
        ]
    return bool(re.search(rf"\b({'|'.join(names)})\b", pair.words))


def _listed_columns(pair: Pair) -> list[Column]:
    """All the card's columns that list strings, whatever tables the SQL reads."""
    assert pair.card is not None
    found = {
        c.name: c for t in pair.card.tables for c in t.columns if c.values and all(isinstance(v, str) for v in c.values)
    }
    return list(found.values())


def _held(pair: Pair, column: Column) -> dict[str, str]:
    """Values that the SQL compares the column with, or holds in any string, by operator."""
    known = {str(value).lower(): str(value) for value in column.values or []}
    held: dict[str, str] = {}
    for use in pair.uses:
        if use.column is not None and use.column.name == column.name and isinstance(use.value, str):
            for value in known.values():
                if value.lower() == use.value.lower() or (
                    use.operator == "like" and use.value.strip("%").lower() in value.lower()
                ):
                    held[value] = use.operator
    for node in pair.nodes(exp.Literal):
        if node.is_string and node.this.lower() in known:
            held.setdefault(known[node.this.lower()], "other")
    return held


def _named_only(pair: Pair, column: Column, named: set[str], held: dict[str, str], every: set[str], shown: bool) -> str:
    lacking = named - set(held)
    if not lacking or (named == every and shown):
        return ""
    if _NEGATED.search(pair.words) and every - set(held) == lacking:
        return ""
    if not held and _foreign(pair, column):
        return ""  # a literal that the column does not hold says the same
    if (
        len(named) > 1
        and not held
        and column.name.lower() in {k.name.lower() for k in pair.keys if isinstance(k, exp.Column)}
    ):
        return ""
    there = f"asks for {', '.join(sorted(held))}" if held else f"does not filter on {column.name}"
    return f"the question names {', '.join(sorted(lacking))}, the SQL {there}"


def _held_only(pair: Pair, column: Column, named: set[str], held: dict[str, str]) -> str:
    extra = {value for value, operator in held.items() if operator in ("=", "!=", "like")} - named
    if not extra or _COLLECTIVE.search(pair.words) or (len(extra) > 1 and is_dimension_named(pair, column)):
        return ""
    if _NEGATED.search(pair.words) and named and not named & set(held):
        return ""
    if any(
        value in f"{e.condition} {e.metric} {e.meaning}" and _shares_word(e, pair)
        for e in (pair.card.glossary if pair.card else [])
        for value in extra
    ):
        return ""
    said = ", ".join(sorted(named)) if named else f"no {column.term or column.name}"
    return f"the SQL asks for {', '.join(sorted(extra))}, the question names {said}"


def _foreign(pair: Pair, column: Column) -> bool:
    known = set(map(str, column.values or []))
    return any(u.column is not None and u.column.name == column.name and u.value not in known for u in pair.uses)


def _inside_value(pair: Pair, column: Column) -> bool:
    """'where' and 'systems' name a dimension only beside 'each' and its kin; the term itself always does."""
    term = re.escape(column.term or column.name)
    plain = rf"\b({term}s?|{re.escape(term[:-1])}ies|os)\b" if term.endswith("y") else rf"\b({term}s?|os)\b"
    return not re.search(plain, pair.words)


def _shares_word(entry: GlossaryTerm, pair: Pair) -> bool:
    assert pair.card is not None
    common = {word for t in pair.card.tables for word in (t.noun, t.plural, f"{t.noun}s", *(c.term for c in t.columns))}
    words = set(re.findall(r"[a-z]{4,}", f"{entry.term} {entry.meaning}".lower())) - common - {"with", "that", "others"}
    return any(re.search(rf"\b{word}", pair.words) for word in words)


def _term_pattern(entry: GlossaryTerm, pair: Pair) -> str:
    if not (entry.condition or entry.metric) or not pair.card:
        return ""
    nouns = {word for t in pair.card.tables for word in (t.noun, t.plural) if word} | {"user", "session"}
    head, _, last = entry.term.lower().rpartition(" ")
    if entry.condition and head and last in nouns:  # an adjective: 'active user'
        of_time = "most|more|less|least|daily|weekly|monthly|been|was|were|stayed"
        if re.search(rf"\b({of_time})\b[\w ]{{0,12}}\b{head}\b", pair.words):
            return ""
        return rf"\b{re.escape(head)}\b(?! (on|in|during|at|over|throughout|since|days?|months?|hours?|times?)\b)"
    if entry.condition and not head:
        return rf"\b{re.escape(last.rstrip('e'))}(e?s|e|ed|ing)?\b"
    if entry.metric and not re.search(r"total|average|revenue", entry.term):
        return rf"\b{re.escape(entry.term.lower())}s?\b"
    return ""


def _missing(entry: GlossaryTerm, pair: Pair) -> str:
    text = entry.condition or entry.metric
    keys = {c for t in pair.card.tables for c in t.key} | {"user_id"} if pair.card else set()
    lacking = [
        name for name in pair.columns if re.search(rf"\b{name}\b", text.lower()) and name not in pair.used | keys
    ]
    everywhere = {c.name for t in pair.card.tables for c in t.columns} if pair.card else set()
    lacking += [name for name in everywhere - set(pair.columns) - keys if re.search(rf"\b{name}\b", text)]
    if lacking:
        return f"the SQL does not use {', '.join(sorted(lacking))}"
    assert pair.tree is not None
    if "dayofweek" in text.lower():
        known = ("dayofweek", "weekday", "datename", "formatdatetime", "todayofweek")
        return "" if any(name in pair.code for name in known) else "the SQL does not look at the day of the week"
    if not entry.condition:
        return ""
    names = [name for name in pair.columns if re.search(rf"\b{name}\b", entry.condition.lower())]
    for name in names:
        compared = any(
            node.find_ancestor(exp.Predicate, exp.In)
            or node.find_ancestor(exp.Max, exp.Sum)
            or node.find_ancestor(exp.Group)
            for node in pair.nodes(exp.Column)
            if node.name.lower() == name
        )
        compared = compared or any(use.column is not None and use.column.name.lower() == name for use in pair.uses)
        if compared or re.search(rf"(where|and|,|not|by|countif \(|sum(if)? \(|or) (\w+ \. )?{name}\b", pair.code):
            continue
        return f"the SQL does not compare {name} with anything"
    return ""
