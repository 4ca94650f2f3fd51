"""`sqlft mcp` parses and hands on; tests/test_serving.py has the server."""

import pytest

import sqlft
from tests.cli.conftest import TINY


@pytest.fixture
def served(monkeypatch):
    """What was opened, and how it is served; nothing is."""
    given = []
    monkeypatch.setattr(sqlft, "analyst", lambda recipe, **options: (recipe.lora.r, options))
    monkeypatch.setattr("sqlft.serving.serve_stdio", lambda *how: given.append(how[:-1]))
    monkeypatch.setattr("sqlft.serving.serve_http", lambda *how: given.append(how[:-1]))
    return given


def test_what_is_asked_for_is_handed_on(run, served):
    words = ("--adapter", "a", "--endpoint", "http://h/v1", "--model", "m", "--memory")
    assert run("mcp", TINY, "lora.r=8", *words)[:2] == (0, "")
    assert served == [((8, {"adapter": "a", "endpoint": "http://h/v1", "model": "m", "memory": True}),)]


def test_http_wants_a_port(run, served):
    assert run("mcp", TINY, "--http", 8765)[0] == 0 and served[0][1] == 8765
    assert run("mcp", TINY, "--http", 99999)[0] == 2 and len(served) == 1
