"""The reports: one self-contained HTML page of an evaluation, and one of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlft.report.dataset_page import write_dataset_page
    from sqlft.report.page import write_report

__all__ = ["write_dataset_page", "write_report"]


def __getattr__(name: str) -> Any:
    if name == "write_report":
        from sqlft.report.page import write_report

        return write_report
    if name == "write_dataset_page":
        from sqlft.report.dataset_page import write_dataset_page

        return write_dataset_page
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
