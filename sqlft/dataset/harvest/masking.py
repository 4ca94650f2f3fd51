"""Puts placeholders where queries hold what is personal, before anybody else reads them.

All statements of an import are looked at first and masked then: what one of them shows to be personal, a name beside a
name's column, is masked wherever it stands in any of them. A placeholder has the shape of what it stands for, so that
the SQL still runs, and is the same for the same value. Nothing here is written down, so nobody can turn it round.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from sqlft.card import SchemaCard
from sqlft.dataset.harvest.contexts import Contexts, Met, read_contexts
from sqlft.dataset.harvest.personal import LONG, Kind, Span, is_round, kind_of_column, personal_forms
from sqlft.dataset.harvest.placeholders import Placeholders

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_DIGITS = re.compile(r"\d+")
_ESCAPE = re.compile(r"\\(x[\da-fA-F]{2}|.)|''", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
_NAMED: tuple[Kind, ...] = ("name", "address", "e-mail")
_NUMBERED: tuple[Kind, ...] = ("phone", "card or account", "address")
_UNLIKELY = 3
"""Letters of a word, or digits of a number, that is masked where nothing else says that it is personal."""


class Masking:
    """The masking of one import.

    Args:
        card: The values that it lists are not personal; its columns' names say what is.

    Attributes:
        counts: How many literals were masked, by kind and column; '' where none of the card's columns was met.
    """

    def __init__(self, card: SchemaCard) -> None:
        self._card = card
        columns = [column for table in card.tables for column in table.columns]
        self._listed = {str(value).casefold() for column in columns for value in column.values or []}
        self._columns = {column.name.casefold(): column.name for column in columns}
        self._placeholders = Placeholders(self._listed)
        self.counts: Counter[tuple[Kind, str]] = Counter()

    def look(self, sqls: Iterable[str], texts: Iterable[str] = ()) -> list[str]:
        """Looks at everything that an import reads. Call it once, and `mask` then.

        Args:
            sqls: Statements that the guard has let through, without comments.
            texts: Questions that came with them.

        Returns:
            Why a statement cannot be masked, in its place; '' where it can.
        """
        faults = []
        for sql in sqls:
            try:
                found = read_contexts(sql, self._card)
            except ValueError as error:
                faults.append(str(error))
                continue
            faults.append("")
            for place in range(len(found.parts)):
                text, spans = self._spans(found, place)
                for span in spans:
                    self._placeholders.note(text[span.start : span.end], span.kind)
            for alias in sorted(found.aliases):
                self._note_forms(alias)
        for text in texts:
            self._note_forms(text)
        self._placeholders.assign()
        return faults

    def mask(self, sql: str) -> str:
        """A statement that was looked at, with its placeholders."""
        found = read_contexts(sql, self._card)
        renamed = {alias: new for alias in sorted(found.aliases) if (new := self._rename(alias)) != alias}
        masked = []
        for place, token in enumerate(found.parts):
            text, spans = self._spans(found, place)
            if spans:
                for kind in {span.kind for span in spans}:
                    self.counts[kind, self._column(found.met.get(place, Met()), kind)] += 1
                new = self._replace(text, spans)
                masked.append(write_string(new) if token.kind == "string" else new)
            elif token.kind in ("word", "quoted"):
                name = token.text.strip('`"')
                masked.append(token.text.replace(name, renamed.get(name, name)))
            else:
                masked.append(token.text)
        return "".join(masked)

    def mask_text(self, text: str) -> str:
        """Free text: what is personal by its form, and every word and number that some statement showed to be."""
        forms = list(personal_forms(text))
        return self._replace(text, [*forms, *self._known(text, forms)])

    def _spans(self, found: Contexts, place: int) -> tuple[str, list[Span]]:
        """A token's text, read, and what is personal in it."""
        token, met = found.parts[place], found.met.get(place, Met())
        if token.kind == "number":
            return token.text, self._spans_of_number(token.text, met)
        if token.kind != "string":
            return token.text, []
        text = read_string(token.text)
        return text, [] if self._stays(text, met) else self._spans_of_string(text, met)

    def _spans_of_number(self, text: str, met: Met) -> list[Span]:
        if not text.isdigit() or self._stays(text, met):
            return []
        kind = _kind_met(met)
        if kind in _NUMBERED or (len(text) >= LONG and not is_round(text) and not met.dated):
            return [Span(0, len(text), kind if kind in _NUMBERED else "long number")]
        return self._known(text, [])

    def _spans_of_string(self, text: str, met: Met) -> list[Span]:
        spans = list(personal_forms(text, dated=met.dated))
        kind = _kind_met(met)
        if kind in _NAMED and not text.lstrip("%").startswith("@"):  # a domain alone is nobody's
            spans += [Span(*word.span(), kind) for word in _WORD.finditer(text) if _is_free(word, spans)]
        if kind in _NUMBERED:
            spans += [Span(*digits.span(), kind) for digits in _DIGITS.finditer(text) if _is_free(digits, spans)]
        return [*spans, *self._known(text, spans)]

    def _known(self, text: str, spans: list[Span]) -> list[Span]:
        """Words and numbers that are personal elsewhere in this import."""
        found: list[Span] = []
        for pattern, kind in ((_WORD, "name"), (_DIGITS, "long number")):
            for piece in pattern.finditer(text):
                if len(piece[0]) >= _UNLIKELY and _is_free(piece, spans) and self._placeholders.knows(piece[0]):
                    found.append(Span(*piece.span(), kind))  # type: ignore[arg-type]
        return found

    def _stays(self, text: str, met: Met) -> bool:
        """Whether the card lists the value: for the columns that it meets, or for any where they say nothing."""
        bare = text.strip("%").casefold()
        if any(bare in {str(value).casefold() for value in column.values or []} for column in met.columns):
            return True
        return not _kind_met(met) and bare in self._listed

    def _note_forms(self, text: str) -> None:
        for span in personal_forms(text):
            self._placeholders.note(text[span.start : span.end], span.kind)

    def _rename(self, alias: str) -> str:
        if alias.casefold() in self._columns:
            return alias
        if any(personal_forms(alias)) or self._placeholders.hides_in(alias):
            return self._placeholders.name_for(alias)
        return alias

    def _replace(self, text: str, spans: list[Span]) -> str:
        for span in sorted(spans, key=lambda span: span.start, reverse=True):
            new = self._placeholders.of(text[span.start : span.end], span.kind)
            text = text[: span.start] + new + text[span.end :]
        return text

    def _column(self, met: Met, kind: Kind) -> str:
        names = sorted(met.names, key=lambda name: (kind_of_column(name) != kind, name))
        return next((self._columns[name.casefold()] for name in names if name.casefold() in self._columns), "")


def _kind_met(met: Met) -> Kind | None:
    kinds = {kind for name in met.names if (kind := kind_of_column(name))}
    kinds |= {kind for column in met.columns if (kind := kind_of_column(column.term.replace(" ", "_")))}
    return min(kinds, default=None, key=lambda kind: (kind not in _NAMED, kind))


def _is_free(piece: re.Match[str], spans: list[Span]) -> bool:
    return not any(span.start < piece.end() and piece.start() < span.end for span in spans)


def read_string(literal: str) -> str:
    """The text of a string literal as the engine reads it."""
    if literal.startswith("$"):
        tag = literal.index("$", 1) + 1
        return literal[tag:-tag]
    return _ESCAPE.sub(_unescape, literal[1:-1])


def write_string(text: str) -> str:
    """A string literal of that text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code is None:
        return "'"
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _ESCAPED.get(code, code if code in "\\'\"`/=" else f"\\{code}")
