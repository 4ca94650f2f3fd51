"""Who may come in, and what for: what stands before everything that the page's server serves.

gradio brings routes that this page has no use for (uploads, files, a proxy, recordings, an editor of its own source):
only what is listed here is answered. Another site's page can neither ask (Origin) nor pass for this one by pointing its
name at this machine (Host), and where there is a password, nothing at all is answered without it.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import os
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sqlft.problems import Problem, WrongUse

USER, PASSWORD = "SQLFT_PLAYGROUND_USER", "SQLFT_PLAYGROUND_PASSWORD"
OPEN = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/(assets|static|report)/.+"
    r"|/gradio_api/(queue/(join|data)/?|heartbeat/\w+|startup-events|theme\.css|reset/?|cancel)"
)
"""All paths that are answered."""
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded from elsewhere. gradio runs inline scripts and compiles templates: the policy allows both."""
REPORT_POLICY = "sandbox allow-scripts allow-popups"
"""A report runs its own script as a stranger to the page: it cannot ask for anything here."""
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "x-frame-options": "DENY"}

Login = tuple[str, str]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_login(host: str) -> Login | None:
    """User and password, from the environment; None where there are none.

    Raises:
        WrongUse: One is set without the other, or none and others than this machine reach `host`.
    """
    user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
    if bool(user) != bool(password):
        given, missing = (USER, PASSWORD) if user else (PASSWORD, USER)
        raise WrongUse(Problem("environment", given, f"{missing} is not set", "Set both, or none."))
    if not user and not is_loopback(host):
        why = "whoever reaches this machine could ask the database and write into your files"
        raise WrongUse(Problem("--host", host, why, f"Set {USER} and {PASSWORD}, or leave --host out."))
    return (user, password) if user else None


class Door:
    """Refuses a request, or hands it on and adds headers to the answer.

    Args:
        app: What serves.
        login: Who may come in; anybody where None.
        loopback: The server is bound to this machine, and goes by no other name.
    """

    def __init__(self, app: ASGIApp, login: Login | None, loopback: bool) -> None:
        self._app, self._login, self._loopback = app, login, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None  # there are no web sockets here
        path, headers = scope["path"], Headers(scope=scope)
        if refusal := self._refuse(path, headers):
            return await refusal(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = REPORT_POLICY if path.startswith("/report/") else POLICY
                MutableHeaders(scope=message).update({**HEADERS, "content-security-policy": policy})
            await send(message)

        return await self._app(scope, receive, with_headers)

    def _refuse(self, path: str, headers: Headers) -> PlainTextResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._loopback and not is_loopback(re.sub(r":\d+$", "", host)):
            return PlainTextResponse("This page is for this machine alone.", 421)
        if self._login and not _knows(self._login, headers.get("authorization", "")):
            ask = {"www-authenticate": 'Basic realm="sqlft playground", charset="UTF-8"'}
            return PlainTextResponse("User and password, please.", 401, ask)
        if origin not in (None, f"http://{host}", f"https://{host}"):
            return PlainTextResponse("Another site's page may not ask here.", 403)
        return None if OPEN.fullmatch(path) else PlainTextResponse("There is nothing here.", 404)


def _knows(login: Login, given: str) -> bool:
    kind, _, coded = given.partition(" ")
    try:
        said = base64.b64decode(coded, validate=True) if kind.lower() == "basic" else b""
    except ValueError:  # not ASCII, or not base64
        return False
    return hmac.compare_digest(said, ":".join(login).encode())
