"""The reports: one self-contained HTML page of an evaluation, its figures as CSV and Markdown, and a dataset's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlft.report.dataset_page import write_dataset_page
    from sqlft.report.page import write_report
    from sqlft.report.tables import write_tables

__all__ = ["write_dataset_page", "write_report", "write_tables"]

_PLACES = {"write_dataset_page": "dataset_page", "write_report": "page", "write_tables": "tables"}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
