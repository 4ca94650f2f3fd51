import io
import sys

import pytest
from rich.console import Console

from sqlft.progress import Stages


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False)])
def test_asks_at_a_terminal(monkeypatch, typed, agreed):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    out = Terminal()
    with Stages(Console(file=out, force_terminal=True, width=80)) as stages:
        assert stages.ask("Make these calls?") is agreed
    assert "Make these calls?" in out.getvalue()


def test_nobody_at_a_terminal_means_no(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    out = io.StringIO()
    with Stages(Console(file=out)) as stages:
        stages.say("teacher: 3 calls")
        assert stages.ask("Make these calls?") is False
    assert out.getvalue() == "teacher: 3 calls\n"
