"""The command line: each command parses, calls one function and prints.

Imports stay inside the commands, so that `sqlft --help` costs nothing that it does not show. Answers go to standard
output, progress and notes to standard error. Exit codes: 0 done, 1 failed at its work, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import sys

# the order in which --help lists the commands
from sqlft.cli import dataset, models, ask, playground, mcp, memory, export, queries, about  # isort: skip
from sqlft.cli.app import app
from sqlft.problems import SqlftError

__all__ = ["about", "app", "ask", "dataset", "export", "main", "mcp", "memory", "models", "playground", "queries"]


def main() -> None:
    """Runs the command line; every error that is the user's to mend is a sentence, without a traceback."""
    try:
        app()
    except SqlftError as error:
        print(f"sqlft: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"sqlft: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
