"""One self-contained HTML page of an evaluation: it loads nothing, and everything that a model wrote is escaped."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sqlft.evaluation.diagnosis.categories import LABELS, Category
from sqlft.evaluation.remedy.targets import find_targets
from sqlft.evaluation.results import Answer, Outcome, Question, Results, find_outcomes, left_out
from sqlft.report import sentences
from sqlft.report.dataset_plots import counts_plot
from sqlft.report.marks import mark_cells
from sqlft.report.markup import diff, flat, highlight, render_page, write_page
from sqlft.report.plots import OUTCOMES, ladder_plot, loss_plot, outcomes_plot, page_color, shares_plot

BY = {"level": "difficulty", "construct": "construct", "table": "table", "tag": "tag", "template": "template"}
EASIEST = 10
BADGES = 3
"""Where more models answered a question, it says beside it only how many came to what."""


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
    by = {kind: _breakdown(results, kind) for kind in BY}
    best = results.best
    failures = results.failures(best.name)
    return render_page(
        "page.html.jinja",
        "page.js",
        results=results,
        names=names,
        best=best,
        colors=[] if results.is_ladder else [page_color(index) for index in range(len(names))],
        rows=_rows(results),
        headline=sentences.headline(results),
        base=sentences.call(results.base.name),
        finding=sentences.finding(best.against_base),
        comparisons=sentences.comparisons(results),
        reach=sentences.reach(results),
        changed=[(name, results.changed(name)) for name in names[1:]],
        judged=[
            (sentence, sentences.swayed(m), _disagreements(results, m.name))
            for m in results.models
            if (sentence := sentences.judged(m))
        ],
        categories=_categories(results),
        labels=LABELS,
        easiest=failures[:EASIEST],
        targets=find_targets([results.answers[best.name][place].categories for place in failures], best.strict),
        outcomes={name: label for name, (_, label) in OUTCOMES.items()},
        plots=_plots(results, by["level"], run),
        by={BY[kind]: rows for kind, rows in by.items() if rows},
        settings={key: flat(value) for key, value in results.settings.items()},
        manifest=json.dumps({k: v for k, v in (run or {}).items() if k != "curve"}, indent=1, ensure_ascii=False),
        say_verdict=sentences.verdict,
        say_fault=sentences.fault,
    )


def _rows(results: Results) -> list[dict[str, Any]]:
    rows = []
    for number, (question, given) in enumerate(zip(results.questions, find_outcomes(results), strict=True), 1):
        answers = [_describe(question, answer, what) for answer, what in given]
        counts = Counter(what for _, what in given)
        summed = [(what, f"{counts[what]} {label}") for what, (_, label) in OUTCOMES.items() if counts[what]]
        badges = [(what, f"{answer.model}: {OUTCOMES[what][1]}") for answer, what in given]
        badges = badges if len(given) <= BADGES else summed
        rows.append({"number": number, "question": question, "answers": answers, "badges": badges})
    return rows


def _describe(question: Question, answer: Answer, what: Outcome) -> dict[str, Any]:
    failure, evidence = _evidence(answer)
    marks = None
    if question.gold_result and answer.result and not answer.verdict.strict:
        marks = mark_cells(question.gold_result, answer.result, answer.verdict)
    apart = diff(question.sql, answer.sql) if answer.sql and not answer.exact else None
    return {
        "model": answer.model,
        "answer": answer,
        "outcome": what,
        "failure": failure,
        "evidence": evidence,
        "marks": marks,
        "sql": apart or (highlight(answer.sql) if answer.sql else None),
        "apart": apart is not None,
        "disputed": _disputed(answer),
        "categories": ",".join(answer.categories if what != "out" else []),
    }


def _disputed(answer: Answer) -> bool:
    return answer.judge is not None and answer.judge.right not in (None, answer.verdict.strict)


def _disagreements(results: Results, name: str) -> list[int]:
    """Places of the questions that count on which judge and execution differ."""
    found = enumerate(find_outcomes(results))
    return [i for i, given in found for a, what in given if a.model == name and what != "out" and _disputed(a)]


def _categories(results: Results) -> list[tuple[str, list[int]]]:
    total: Counter[Category] = sum((Counter(model.categories) for model in results.models), Counter())
    return [(key, [model.categories.get(key, 0) for model in results.models]) for key, _ in total.most_common()]


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
    if results.is_ladder:
        caption = "Right at each step, with 95% intervals; the dashed line is the first step's share"
        plots = [(caption, ladder_plot(results.models)), _price_plot(results)]
    else:
        rows = [("execution match", [model.right for model in results.models])]
        plots = [("Questions answered right, with 95% intervals", shares_plot("Execution match", rows, names))]
    plots.append(("What became of the answers", outcomes_plot(results.models)))
    if len(levels) > 1:
        shown = [0, names.index(results.best.name)] if results.is_ladder and len(names) > 1 else range(len(names))
        rows = [(f"{name} ({shares[0].n})", [shares[place] for place in shown]) for name, shares in levels]
        plot = shares_plot("Execution match by level", rows, [names[place] for place in shown])
        plots.append(("Right by level (number of questions)", plot))
    curves = _curves(run or {})
    if curves[0]:
        plots.append(("Loss while training", loss_plot(*curves)))
    return plots


def _price_plot(results: Results) -> tuple[str, Markup]:
    """What a right answer costs at each step: dollars where all have a price, else tokens, which all have."""
    if all(model.dollars is not None for model in results.models):
        each, unit, say = [model.dollars_per_right for model in results.models], "dollars", "${:.2g}".format
    else:
        out, unit, say = left_out(results.questions, results.answers), "tokens", "{:,.0f}".format
        each = [
            sum(a.prompt_tokens + a.completion_tokens for i, a in enumerate(given) if i not in out) / right
            if (right := results.models[place].strict.k)
            else None
            for place, given in enumerate(results.answers.values())
        ]
    bars = [(model.name, one or 0.0) for model, one in zip(results.models, each, strict=True)]
    plot = counts_plot(
        f"What a right answer costs, in {unit}", bars, unit, lambda one: say(one) if one else "none right"
    )
    return f"What a right answer costs, in {unit}", plot


def _curves(run: dict[str, Any]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    points = run.get("curve", [])
    training = [(point["step"], point["loss"]) for point in points if "loss" in point]
    return training, [(point["step"], point["eval_loss"]) for point in points if "eval_loss" in point]
