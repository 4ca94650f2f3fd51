"""The command line as a user meets it: words in; exit code, standard output and standard error out."""

import sys
from pathlib import Path

import pytest

from sqlft.cli import main

ROOT = Path(__file__).parent.parent.parent
TINY = str(ROOT / "recipes" / "tiny-cpu.yaml")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command line in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqlft", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return left.value.code or 0, printed.out, printed.err

    return run
