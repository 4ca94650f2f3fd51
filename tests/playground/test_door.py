"""Who may come in, and what for."""

from __future__ import annotations

import asyncio
import base64

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sqlft.playground.door import Door, is_loopback, read_login
from sqlft.problems import WrongUse


def asks(
    path: str = "/", *, login: tuple[str, str] | None = None, loopback: bool = True, **headers: str | bytes
) -> httpx.Response:
    """What an application that answers everything is let answer."""
    app = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("in"), methods=["GET", "POST"])])
    transport = httpx.ASGITransport(Door(app, login, loopback))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
            return await client.post(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "path", ["/", "/config", "/assets/a.js", "/gradio_api/queue/join", "/gradio_api/queue/data", "/report/a/b"]
)
def test_what_the_page_needs_is_answered_and_nothing_else_is_loaded(path: str) -> None:
    answer = asks(path)
    assert answer.status_code == 200 and answer.headers["x-frame-options"] == "DENY"
    policy = answer.headers["content-security-policy"]
    assert "http" not in policy and ("sandbox" in policy) == path.startswith("/report")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://example.org",
        "/gradio_api/info", "/gradio_api/run/x", "/gradio_api/call/x", "/gradio_api/openapi.json",
        "/gradio_api/vibe-code", "/gradio_api/component_server", "/monitoring", "/docs", "/login",
    ],
)  # fmt: skip
def test_gradios_other_routes_are_not_there(path: str) -> None:
    assert asks(path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "http://["}, 403),
        ({"host": "evil.example:7860"}, 421),
        ({"host": "["}, 421),
        ({"host": "localhost:7860"}, 200),
    ],
)
def test_another_sites_page_may_not_ask(headers: dict[str, str], status: int) -> None:
    assert asks(**headers).status_code == status


def test_with_a_password_only_who_knows_it_comes_in() -> None:
    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    login = ("ann", "p:äss")
    assert asks("/assets/a.js", login=login, authorization=basic("ann:p:äss")).status_code == 200
    for given in ("", "Basic ???", b"Basic \xe9", basic("ann:p:äs"), basic("bob:p:äss"), "Bearer x"):
        answer = asks("/assets/a.js", login=login, authorization=given)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
def test_beyond_this_machine_it_wants_a_password(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_loopback(host)
    monkeypatch.delenv("SQLFT_PLAYGROUND_USER", raising=False)
    monkeypatch.delenv("SQLFT_PLAYGROUND_PASSWORD", raising=False)
    with pytest.raises(WrongUse, match="Set SQLFT_PLAYGROUND_USER and SQLFT_PLAYGROUND_PASSWORD"):
        read_login(host)
    monkeypatch.setenv("SQLFT_PLAYGROUND_USER", "ann")
    with pytest.raises(WrongUse, match="SQLFT_PLAYGROUND_PASSWORD is not set"):
        read_login(host)
    monkeypatch.setenv("SQLFT_PLAYGROUND_PASSWORD", "p")
    assert read_login(host) == ("ann", "p")


def test_this_machine_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLFT_PLAYGROUND_USER", raising=False)
    monkeypatch.delenv("SQLFT_PLAYGROUND_PASSWORD", raising=False)
    assert [read_login(host) for host in ("127.0.0.1", "localhost", "::1")] == [None] * 3
