"""Pairs from real queries: a server's query log, or files of SQL."""

from sqlft.dataset.harvest.harvest import ImportReport, import_files, import_log
from sqlft.dataset.harvest.query_log import LogFilter

__all__ = ["ImportReport", "LogFilter", "import_files", "import_log"]
