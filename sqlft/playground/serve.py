"""Serves the page: to this machine, unless a user and a password say otherwise."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from sqlft.agent import Analyst
    from sqlft.playground.door import Login

HOST, PORT = "127.0.0.1", 7860


def serve(
    recipe: Recipe,
    adapters: Sequence[Path | str] = (),
    *,
    endpoint: str | None = None,
    model: str | None = None,
    memory: bool = False,
    host: str = HOST,
    port: int = PORT,
    tell: Callable[[str, int, int, str], None] = lambda stage, done, of, note: None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves the playground until it is interrupted.

    Args:
        recipe: The run.
        adapters: Adapters' folders or runs' names, beside the base; the run's own where there are none.
        endpoint: As for `sqlft.ask`, as are `model` and `memory`. A model that is named answers alone.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        tell: Told how far loading is.
        ready: Told the page's address, once it is served.

    Raises:
        WrongUse: `host` is not this machine alone and there is no password; or as for `sqlft.ask`.
        SqlftError: As for `sqlft.ask`.
    """
    from sqlft.playground.door import is_loopback, read_login

    login = read_login(host)
    with closing(_listen(host, port)) as listening:
        from sqlft.agent import open_analysts
        from sqlft.evaluation.adapters import name_adapters

        own = recipe.run_dir / "adapter"
        named = name_adapters(adapters or ([own] if own.is_dir() else []))
        alone = (model, named[model]) if model in named else None
        asked = [alone] if model else [None, *named.items()]
        with open_analysts(recipe, asked, endpoint=endpoint, model=model, memory=memory, tell=tell) as analysts:
            import uvicorn

            app = make_app(analysts, login, is_loopback(host))
            # open pages hold a connection each, which would be waited for
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, server_header=False)
            ready(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listening])


def make_app(analysts: Sequence[Analyst], login: Login | None, loopback: bool) -> ASGIApp:
    """All that is served, behind the door."""
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import FileResponse, PlainTextResponse, Response

    from sqlft.playground.door import Door
    from sqlft.playground.keeping import Keeper
    from sqlft.playground.page import draw_page, gr, looks
    from sqlft.playground.runs import find_report

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def report(request: Request) -> Response:
        found = find_report(request.path_params["run"], request.path_params["name"])
        return FileResponse(found) if found else PlainTextResponse("There is no such report.", 404)

    app.add_route("/report/{run}/{name:path}", report)
    page = draw_page(analysts, Keeper(analysts[0].recipe, analysts[0].gate))
    off: dict[str, Any] = {"ssr_mode": False, "mcp_server": False, "pwa": False, "run_history": False}
    gr.mount_gradio_app(
        app, page, "/", footer_links=[], show_error=False, enable_monitoring=False, max_file_size=1, **off, **looks()
    )
    return Door(app, login, loopback)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        why = f"it cannot be listened on: {error.strerror}"
        raise WrongUse(Problem("--host, --port", f"{host}:{port}", why, "Write --port 0 for a free one.")) from error
    return made
