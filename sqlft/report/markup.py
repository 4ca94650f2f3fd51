"""What every page is made of: the layout, SQL in colours, and text that cannot steer a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from sqlft.evaluation.table import p_value, percent

HERE = Path(__file__).parent
KEYWORDS = frozenset(
    """
    select from where group by having order limit offset with as on using inner left right full outer cross any
    all asof semi anti array join union distinct except intersect and or not in like ilike between is null case
    when then else end asc desc prewhere sample final settings format totals rollup cube interval over partition
    rows range preceding following current row unbounded global nulls first last fill ties top qualify window
    exists
    """.split()
)
TOKEN = re.compile(
    r"(?P<c>--[^\n]*|/\*.*?(?:\*/|$))|(?P<s>'(?:[^'\\]|\\.|'')*'?)|(?P<q>`[^`]*`?|\"[^\"]*\"?)|(?P<n>\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b)"
    r"|(?P<w>\w+)|(?P<x>[<>!=]=|<>|.)",
    re.DOTALL | re.IGNORECASE,
)
ALIKE = 0.4
MOST_COMPARED = 1_000_000
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def render_page(template: str, script: str = "", **values: Any) -> str:
    """A page as text: it loads nothing, runs its own script alone, and everything in `values` is escaped.

    Args:
        template: The name of a file in this folder that extends layout.html.jinja.
        script: The name of its script in this folder, where it has one.
        values: What the template shows.
    """
    code = (HERE / script).read_text(encoding="utf-8") if script else ""
    html = (
        _environment()
        .get_template(template)
        .render(
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
            script=Markup(code),
            script_hash=base64.b64encode(hashlib.sha256(code.encode()).digest()).decode(),
            **values,
        )
    )
    return clean(html)


def write_page(path: Path, text: str) -> Path:
    """Writes the page, whole or not at all; its path."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sql": highlight, "percent": percent, "p_value": p_value}
    return environment


def clean(text: str) -> str:
    """Text with control and direction-turning characters shown as their code points, not obeyed."""
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def highlight(sql: str) -> Markup:
    """SQL, or whatever a model wrote instead, as escaped HTML with classes on keywords, text, numbers and comments."""
    return Markup("").join(map(_paint, TOKEN.finditer(sql)))


def diff(gold: str, sql: str) -> Markup | None:
    """`highlight` of a query with what it does not share with the gold one: its own inserted, the gold's deleted.

    Case counts in text and quoted names alone, blanks nowhere. None where the two have too little in common for that
    to be readable.
    """
    theirs = [match for match in TOKEN.finditer(gold) if not match[0].isspace()]
    ours = list(TOKEN.finditer(sql))
    code = [place for place, match in enumerate(ours) if not match[0].isspace()]
    if len(theirs) * len(code) > MOST_COMPARED:
        return None
    pair = SequenceMatcher(None, list(map(_key, theirs)), [_key(ours[place]) for place in code], autojunk=False)
    if pair.ratio() < ALIKE:
        return None
    parts, done = [], 0
    for kind, gold_from, gold_to, start, end in pair.get_opcodes():
        places = code[start:end]
        if kind in ("delete", "replace"):
            lost = gold[theirs[gold_from].start() : theirs[gold_to - 1].end()]
            parts.append(Markup(" <del>{}</del>").format(highlight(lost)))
        if places:
            between, new = ours[done : places[0]], ours[places[0] : places[-1] + 1]
            text = Markup("").join(map(_paint, new))
            parts += [*map(_paint, between), text if kind == "equal" else Markup("<ins>{}</ins>").format(text)]
            done = places[-1] + 1
    return Markup("").join([*parts, *map(_paint, ours[done:])])


def _key(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup in ("s", "q") else match[0].lower()


def _paint(match: re.Match[str]) -> Markup:
    kind = match.lastgroup
    if kind == "w":
        kind = "k" if match[0].lower() in KEYWORDS else None
    text = escape(match[0])
    return text if kind in (None, "x", "q") else Markup(f'<i class="{kind}">{text}</i>')


def flat(value: Any) -> str:
    """A setting as lines of text."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {flat(inner)}" for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
