"""What is personal in a query: by its form (an e-mail address, a long number), or by the column that it meets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["e-mail", "name", "address", "phone", "card or account", "long number", "UUID", "IP address"]

LONG = 7
"""Digits of a number that may be somebody's; the form of digits below says the same."""

_FORMS = re.compile(
    r"""
    (?P<date>(?<!\d)(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01])
      |(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|1[0-2])\3(?:19|20)\d\d)
      (?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?!\d))
  | (?P<mail>[\w.+-]+@(?:[\w-]+(?:\.[\w-]+)*)?)
  | (?P<uuid>(?<![\da-f])[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}(?![\da-f]))
  | (?P<ip>(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)|(?<![\w:.])[\da-f:]*:[\da-f:]*:[\da-f:.]*)
  | (?P<iban>(?<!\w)[a-z]{2}\d{2}(?:[ ]?[a-z\d]{4}){2,7}(?:[ ]?[a-z\d]{1,3})?(?!\w))
  | (?P<digits>\+?\d(?:[ ()./-]{0,2}\d){6,})
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COLUMNS: tuple[tuple[Kind, str], ...] = (
    ("e-mail", r"e_?mails?|mail"),
    ("IP address", r"ip|ip_?(v4|v6)?_?(addr|address)|(client|remote|user)_?ip"),
    ("phone", r"phones?|telephone|tel|mobile_?(number|no|phone)|fax|msisdn|(phone|tel)_?(number|no)"),
    (
        "card or account",
        r"iban|bic|(card|account|passport|licen[cs]e|insurance|tax|social_security)_?(number|no|num|id)|ssn|tax_?id|vat_?id",
    ),
    (
        "name",
        r"(first|last|full|given|family|middle|maiden|sur|fore|nick|user|screen|display|legal|customer|client|contact"
        r"|employee|person|people|patient|doctor|owner|author|member|holder|recipient|sender|passenger|guest|student"
        r"|teacher|manager|agent|driver|seller|buyer|rep|signer|beneficiary)_?names?|login|surname|forename",
    ),
    ("address", r"street\w*|addr|address(es)?|address_?line_?\d?|(home|postal|billing|shipping|delivery)_?addr(ess)?"),
)
_WHOLE = ("name", "names")


@dataclass(frozen=True)
class Span:
    """A personal part of a text: where it is, and of which kind."""

    start: int
    end: int
    kind: Kind


def kind_of_column(name: str) -> Kind | None:
    """What a column of that name holds of a person; None where its name does not say so."""
    snake = re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name).lower().strip("_")
    for kind, words in _COLUMNS:
        if re.search(rf"(^|_)({words})(_(hash|lower|upper|raw|normali[sz]ed|\d))?$", snake):
            return kind
    return "name" if snake in _WHOLE else None


def personal_forms(text: str, *, dated: bool = False) -> Iterator[Span]:
    """Yields what is personal by its form alone; dates are not.

    Args:
        text: Any text.
        dated: It is compared with dates, so that 20240131 and a Unix time are dates too.
    """
    for found in _FORMS.finditer(text):
        kind = _kind_of_form(found.lastgroup or "", found[0])
        if kind and not (dated and kind == "long number"):
            yield Span(*found.span(), kind)


def is_round(digits: str) -> bool:
    """Whether a number is a threshold rather than somebody's: 1000000, 1250000."""
    return len(digits.rstrip("0")) <= 3


def _kind_of_form(form: str, text: str) -> Kind | None:
    digits = re.sub(r"\D", "", text)
    if form == "mail":
        return "e-mail"
    if form == "uuid":
        return "UUID"
    if form == "ip":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return None
        return "IP address"
    if form == "iban":
        return "card or account" if len(digits) >= LONG else None
    if form == "digits":
        if 13 <= len(digits) <= 19 and _luhn(digits):
            return "card or account"
        if text.isdigit():
            return None if is_round(text) else "long number"
        return "phone"
    return None


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0
