"""What is wrong with a set of questions and SQL that somebody already has."""

from sqlft.dataset.lint.files import Rows, read_rows, write_rows
from sqlft.dataset.lint.run import LintReport, lint_file, lint_rows

__all__ = ["LintReport", "Rows", "lint_file", "lint_rows", "read_rows", "write_rows"]
