"""The base against its adapters on the same questions: `evaluate`, and what it found, `Results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlft.evaluation.pipeline import evaluate, evaluate_each
    from sqlft.evaluation.results import Results
    from sqlft.evaluation.table import results_table

__all__ = ["Results", "evaluate", "evaluate_each", "results_table"]

_PLACES = {"evaluate": "pipeline", "evaluate_each": "pipeline", "Results": "results", "results_table": "table"}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
