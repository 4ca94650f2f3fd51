"""A Model Context Protocol server: other programs' models ask the recipe's analyst, and run SQL through its gate.

Over standard input and output for a program that starts it, or over HTTP on this machine's loopback for those that
know a token. https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import hmac
import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import AnyHttpUrl, BaseModel, Field

from sqlft.console import result_json
from sqlft.database import Result
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_prompt

if TYPE_CHECKING:
    from sqlft.agent import Analyst

HOST = "127.0.0.1"
TOKEN = "SQLFT_MCP_TOKEN"
SECRET = re.compile("[!-~]{24,}")
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

Limit = Annotated[int, Field(ge=1, le=1000, description="Rows that are sent, at most.")]
Found = TypeVar("Found")


class Table(BaseModel):
    """What a query gave; `total_rows` says how many rows there were where not all are sent."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    totals: list[Any] | None = Field(None, description="The row of WITH TOTALS.")
    total_rows: int


class Answer(BaseModel):
    """What a question came to. Where no answer came, `error` says why, and there is no sentence and no table."""

    sentence: str | None
    sql: str | None
    table: Table | None
    attempts: int
    error: str | None
    model: str = Field(description="Who wrote the SQL.")
    notes: list[str] = Field(description="What the one who asks must be told.")


def make_server(analyst: Analyst, url: str = "", token: str = "") -> MCPServer:
    """The server and its tools: `ask`, `run_sql`, `schema_card`.

    Args:
        analyst: Who answers, its gate open; one question at a time, while everything else goes on.
        url: Where it is reached over HTTP; empty over standard input and output.
        token: Who does not send it as a bearer is not heard there.
    """
    about = f"Answers about one ClickHouse database, read only: {', '.join(sorted(analyst.gate.tables))}."
    server = MCPServer(
        "sqlft",
        instructions=about,
        version=version("sqlft"),
        log_level="WARNING",
        auth=AuthSettings(issuer_url=AnyHttpUrl(url), resource_server_url=None) if url else None,
        token_verifier=_Bearer(token) if url else None,
    )
    turn = anyio.CapacityLimiter(1)

    @server.tool(annotations=READS)
    async def ask(question: str, limit: Limit = 100) -> Answer:
        """Answer a question about the database: a sentence, the SQL that a model wrote for it, and its table."""
        reply = await _work(lambda: analyst.ask(question), turn)
        prediction, found = reply.prediction, reply.result
        return Answer(
            sentence=reply.sentence if found else None,
            sql=reply.sql,
            table=_table(found, limit) if found else None,
            attempts=prediction.attempts,
            error=None if found else reply.sentence,
            model=prediction.model,
            notes=analyst.notes,
        )

    @server.tool(annotations=READS)
    async def run_sql(sql: str, limit: Limit = 100) -> Table:
        """Run one ClickHouse SELECT on the tables of the schema card. Everything else is refused, and said why."""
        return _table(await _work(lambda: analyst.gate.run(sql)), limit)

    @server.tool(annotations=READS)
    async def schema_card() -> str:
        """Read what the database holds: tables, columns, types, values, and what terms mean."""
        return render_prompt("card", card=analyst.agent.card, full=analyst.recipe.prompt.card == "full")

    return server


def serve_stdio(opening: AbstractContextManager[Analyst], tell: Callable[[list[str]], None]) -> None:
    """Serves whoever started this process, until its standard input ends.

    Standard output is the protocol's: what anything else prints there, children and C libraries too, goes to standard
    error, as the SDK sees to while it serves. Afterwards standard output stays there, for what is buffered yet.

    Args:
        opening: Opens the analyst.
        tell: Told what a user must know.

    Raises:
        SqlftError: It cannot be opened.
    """
    wire = os.dup(1)
    os.dup2(2, 1)
    with opening as analyst:
        tell(analyst.notes)
        server = make_server(analyst)
        os.dup2(wire, 1)
        os.close(wire)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the SDK would go on until standard input has a line
        try:
            server.run()
        finally:
            os.dup2(2, 1)


def serve_http(opening: AbstractContextManager[Analyst], port: int, tell: Callable[[list[str]], None]) -> None:
    """Serves whoever knows the token that the environment holds, on loopback alone, until it is stopped.

    Raises:
        WrongUse: There is no token, or one that could be guessed; the port is taken.
        SqlftError: As `serve_stdio`.
    """
    token = os.environ.get(TOKEN, "")
    if not SECRET.fullmatch(token):
        what = f"{len(token)} characters" if token else "not set"
        why = "whoever knows it may read the database, so that it wants 24 visible ASCII characters or more"
        raise WrongUse(Problem(TOKEN, what, why, f"Write export {TOKEN}=$(openssl rand -hex 32)."))
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise WrongUse(Problem("--http", str(port), str(error.strerror), "Write another port.")) from error
    names = [f"{HOST}:{port}", f"localhost:{port}"]
    # a page in a browser may have its own name point here: neither that name nor the page's is one of these
    known = TransportSecuritySettings(allowed_hosts=names, allowed_origins=[f"http://{name}" for name in names])
    with opening as analyst:
        tell([*analyst.notes, f"serving at http://{names[0]}/mcp"])
        make_server(analyst, f"http://{names[0]}", token).run(
            "streamable-http", host=HOST, port=port, transport_security=known
        )


@dataclass(frozen=True)
class _Bearer:
    secret: str = field(repr=False)

    async def verify_token(self, token: str) -> AccessToken | None:
        same = hmac.compare_digest(token.encode(), self.secret.encode())
        return AccessToken(token="", client_id="sqlft", scopes=[]) if same else None


async def _work(work: Callable[[], Found], turn: anyio.CapacityLimiter | None = None) -> Found:
    """Off the loop, which goes on meanwhile."""
    try:
        return await anyio.to_thread.run_sync(work, limiter=turn)
    except SqlftError as error:
        raise ToolError(str(error)) from error


def _table(result: Result, limit: int) -> Table:
    total = len(result.rows) if result.total_rows is None else result.total_rows
    return Table(**result_json(replace(result, rows=result.rows[:limit])), total_rows=total)
