"""An evaluation as a table for the terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sqlft.evaluation.results import Results
from sqlft.evaluation.statistics import Difference, Share


def results_table(results: Results) -> Group:
    """One column a model, one row a measure, the warnings under it and the banner above; what `rich.print` takes."""
    table = Table(title=f"{results.run} on {results.on}: {len(results.questions)} questions", title_justify="left")
    table.add_column("", overflow="fold")
    for model in results.models:
        table.add_column(Text(model.name), justify="right", overflow="fold")
    rows = {
        "execution match": [_share(model.strict) for model in results.models],
        "95% interval": [f"{100 * model.right.low:.1f} to {100 * model.right.high:.1f}%" for model in results.models],
        "against the base": [_difference(model.against_base) for model in results.models],
        "relaxed": [_share(model.relaxed) for model in results.models],
        "SQL runs": [_share(model.validity) for model in results.models],
        "no SQL found": [_share(model.no_sql) for model in results.models],
        "same text": [_share(model.exact) for model in results.models],
        "against the baseline": [
            _difference(one) for m in results.models for one in results.baseline if one.model == m.name
        ],
        "LLM judge (advice)": [_share(model.judge) for model in results.models],
        "judge's kappa": [
            f"{m.agreement.kappa:.2f}" if m.agreement and m.agreement.kappa is not None else "" for m in results.models
        ],
        "match, unseen only": [_share(model.unleaked) for model in results.models],
    }
    for measure, cells in rows.items():
        if any(cells):
            table.add_row(measure, *cells)
    return _framed(table, results)


def ladder_table(results: Results) -> Group:
    """One row a step: its share with the interval, the paired test against the first step, and what it took."""
    table = Table(title=f"{results.run} on {results.on}: {len(results.questions)} questions", title_justify="left")
    heads = (
        "right",
        "95% interval",
        f"against {results.base.name}",
        "SQL runs",
        "attempts",
        "tokens",
        "s",
        "$ a right one",
    )
    table.add_column("step", overflow="fold")
    for head in heads:
        table.add_column(Text(head), justify="right")
    asked = max(1, len(results.questions))
    for step in results.models:
        tokens = f"{step.prompt_tokens / asked:,.0f} + {step.completion_tokens / asked:,.0f}"
        table.add_row(
            Text(step.name),
            _share(step.strict),
            f"{100 * step.right.low:.1f} to {100 * step.right.high:.1f}%",
            _difference(step.against_base).replace("\n", ", "),
            percent(step.validity.value),
            f"{step.attempts / asked:.2f}",
            tokens,
            f"{step.seconds / asked:.2f}",
            "–" if step.dollars_per_right is None else f"{step.dollars_per_right:.2g}",
        )
    table.caption = "attempts, tokens (prompt + completion) and seconds of a question"
    table.caption_justify = "left"
    return _framed(table, results)


def _framed(table: Table, results: Results) -> Group:
    banner = [Text(results.banner, style="bold red")] if results.banner else []
    return Group(*banner, table, *(Text(f"! {warning}", style="yellow") for warning in results.warnings))


def percent(value: float | None, digits: int = 0) -> str:
    """A share as a percentage; never rounded to 0% or 100% where it is neither."""
    if value is None:
        return "–"
    text = f"{100 * value:.{digits}f}%"
    return percent(value, digits + 1) if 0 < value < 1 and float(text[:-1]) in (0, 100) else text


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _share(share: Share | None) -> str:
    return f"{percent(share.value, 1)} ({share.k} of {share.n})" if share else ""


def _difference(found: Difference | None) -> str:
    if found is None or found.value is None:
        return ""
    low, high = found.interval
    return f"{100 * found.value:+.1f} points\n{100 * low:+.1f} to {100 * high:+.1f}\n{p_value(found.holm)}"
