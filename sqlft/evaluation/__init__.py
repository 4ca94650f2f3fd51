"""The base against its adapters on the same questions: `evaluate`, and what it found, `Results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlft.evaluation.ladder import climb
    from sqlft.evaluation.pipeline import evaluate, evaluate_each
    from sqlft.evaluation.results import Results
    from sqlft.evaluation.table import ladder_table, results_table

__all__ = ["Results", "climb", "evaluate", "evaluate_each", "ladder_table", "results_table"]

_PLACES = {
    "climb": "ladder",
    "evaluate": "pipeline",
    "evaluate_each": "pipeline",
    "Results": "results",
    "ladder_table": "table",
    "results_table": "table",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
