"""One self-contained HTML page of an evaluation: it loads nothing, and everything that a model wrote is escaped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sqlft.evaluation.results import Answer, Outcome, Results, left_out, outcome
from sqlft.report import sentences
from sqlft.report.markup import flat, render_page, write_page
from sqlft.report.plots import OUTCOMES, loss_plot, outcomes_plot, page_color, shares_plot


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
    return write_page(path, render(results, manifest))


def render(results: Results, run: dict[str, Any] | None = None) -> str:
    """The page as text; `run` is what run.json holds. See `write_report`."""
    names = [model.name for model in results.models]
    by = {kind: _breakdown(results, kind) for kind in ("level", "tag", "template")}
    return render_page(
        "page.html.jinja",
        "page.js",
        results=results,
        names=names,
        colors=[page_color(index) for index in range(len(names))],
        rows=_rows(results),
        headline=sentences.headline(results),
        comparisons=[sentences.comparison(model) for model in results.models[1:]],
        outcomes={name: label for name, (_, label) in OUTCOMES.items()},
        plots=_plots(results, by["level"], run),
        by=by,
        settings={key: flat(value) for key, value in results.settings.items()},
        say_verdict=sentences.verdict,
    )


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
