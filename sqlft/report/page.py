"""One self-contained HTML page of an evaluation: it loads nothing, and everything that a model wrote is escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from sqlft.evaluation.results import Answer, Outcome, Results, left_out, outcome
from sqlft.evaluation.table import p_value, percent
from sqlft.report import sentences
from sqlft.report.plots import OUTCOMES, loss_plot, outcomes_plot, page_color, shares_plot

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
    r"|(?P<w>\w+)|(?P<x>.)",
    re.DOTALL | re.IGNORECASE,
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def write_report(results: Results, path: Path | None = None, run: Path | None = None) -> Path:
    """Writes the page, whole or not at all.

    Args:
        results: An evaluation, fresh or read back with `Results.load`.
        path: Where to; report.html in the results' own folder where None.
        run: run.json of a training, for its loss curve; that of the results' own run where None and there is one.

    Returns:
        The page's path.
    """
    folder = results.folder or Path()
    path = path or folder / "report.html"
    run = run or folder.parent.parent / "run.json"
    manifest = json.loads(run.read_text(encoding="utf-8")) if run.is_file() else {}
    partial = path.with_name(path.name + ".partial")
    partial.write_text(render(results, manifest), encoding="utf-8")
    partial.replace(path)
    return path


def render(results: Results, run: dict[str, Any] | None = None) -> str:
    """The page as text; `run` is what run.json holds. See `write_report`."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    names = [model.name for model in results.models]
    by = {kind: _breakdown(results, kind) for kind in ("level", "tag", "template")}
    html = _template().render(
        results=results,
        names=names,
        colors=[page_color(index) for index in range(len(names))],
        rows=_rows(results),
        headline=sentences.headline(results),
        comparisons=[sentences.comparison(model) for model in results.models[1:]],
        outcomes={name: label for name, (_, label) in OUTCOMES.items()},
        plots=_plots(results, by["level"], run),
        by=by,
        settings={key: _flat(value) for key, value in results.settings.items()},
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return clean(html)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sql": highlight, "percent": percent, "p_value": p_value, "verdict": sentences.verdict}
    return environment.get_template("page.html.jinja")


def clean(text: str) -> str:
    """Text with control and direction-turning characters shown as their code points, not obeyed."""
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def highlight(sql: str) -> Markup:
    """SQL, or whatever a model wrote instead, as escaped HTML with classes on keywords, text, numbers and comments."""
    parts = []
    for match in TOKEN.finditer(sql):
        kind, text = match.lastgroup, escape(match[0])
        if kind == "w":
            kind = "k" if match[0].lower() in KEYWORDS else None
        parts.append(text if kind in (None, "x", "q") else Markup(f'<i class="{kind}">{text}</i>'))
    return Markup("").join(parts)


def _rows(results: Results) -> list[dict[str, Any]]:
    out = left_out(results.questions, results.answers)
    rows = []
    for index, question in enumerate(results.questions):
        answers = []
        for name, given in results.answers.items():
            what: Outcome = "out" if index in out else outcome(given[index])
            failure, evidence = _evidence(given[index])
            answers.append(
                {"model": name, "answer": given[index], "outcome": what, "failure": failure, "evidence": evidence}
            )
        rows.append({"number": index + 1, "question": question, "answers": answers})
    return rows


def _evidence(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    shown = {key: _short(value) for key, value in answer.verdict.evidence.items() if value not in ("", None, [], {})}
    if answer.runs or "message" not in shown:
        return "", [(sentences.EVIDENCE.get(key, key.replace("_", " ")), text) for key, text in shown.items()]
    hint = f" Maybe: {shown['hint']}." if "hint" in shown else ""
    return f"{shown.get('name', 'refused')}: {shown['message']}{hint}", []


def _short(value: Any) -> str:
    if isinstance(value, list):
        rows = value if all(isinstance(row, list | tuple) for row in value) else [value]
        value = "\n".join(", ".join("NULL" if cell is None else str(cell) for cell in row) for row in rows)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 400 else text[:400] + "…"


def _breakdown(results: Results, kind: Any) -> list[tuple[str, list[Any]]]:
    names = list(results.base.by[kind])
    return [(name, [model.by[kind][name] for model in results.models]) for name in names]


def _plots(
    results: Results, levels: list[tuple[str, list[Any]]], run: dict[str, Any] | None
) -> list[tuple[str, Markup]]:
    names = [model.name for model in results.models]
    plots = [
        (
            "Questions answered right, with 95% intervals",
            shares_plot("Execution match", [("execution match", [model.strict for model in results.models])], names),
        ),
        ("What became of the answers", outcomes_plot(results.models)),
    ]
    if len(levels) > 1:
        rows = [(f"{name} ({shares[0].n})", shares) for name, shares in levels]
        plots.append(("Right by level (number of questions)", shares_plot("Execution match by level", rows, names)))
    curves = _curves(run or {})
    if curves[0]:
        plots.append(("Loss while training", loss_plot(*curves)))
    return plots


def _curves(run: dict[str, Any]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    points = run.get("curve", [])
    training = [(point["step"], point["loss"]) for point in points if "loss" in point]
    return training, [(point["step"], point["eval_loss"]) for point in points if "eval_loss" in point]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_flat(inner)}" for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
