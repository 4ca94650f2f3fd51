"""What a Model Context Protocol client meets: the SDK's own; in this process, on standard output, and over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import anyio
import httpx2
import pytest
import yaml
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from sqlft.agent import Analyst, open_analyst
from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Gate
from sqlft.problems import SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.serving import _Bearer, make_server, serve_http
from tests.agent.test_analyst import COUNT, recipe, say, stub
from tests.few_users import DAY, fill_users, gate
from tests.openai_stub import Fault, OpenAIStub
from tests.tiny import tiny_base

__all__ = ["gate", "recipe", "stub", "tiny_base"]

ROOT = Path(__file__).parent.parent
SECRET = "a-token-that-nobody-would-guess"
CLIENT = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}
REFUSED = "INSERT INTO shop.users SELECT * FROM shop.users"


@pytest.fixture
def analyst(recipe: Recipe, stub: OpenAIStub) -> Iterator[Analyst]:
    with open_analyst(recipe, endpoint=stub.url, model="m") as analyst:
        yield analyst


def meet(server: Any, work: Callable[[Client], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Client(server) as client:
            return await work(client)

    return anyio.run(main)


def call(server: Any, name: str, **arguments: Any) -> tuple[Any, str]:
    """What a tool gives; and the sentence, where it is an error."""
    found = meet(server, lambda client: client.call_tool(name, arguments))
    return found.structured_content, found.content[0].text if found.is_error else ""


def test_the_tools_say_what_they_take_and_that_they_only_read(analyst: Analyst) -> None:
    tools = {tool.name: tool for tool in meet(make_server(analyst), lambda client: client.list_tools()).tools}
    assert [*tools] == ["ask", "run_sql", "schema_card"]
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())
    assert tools["ask"].input_schema["required"] == ["question"] and "sentence" in str(tools["ask"].output_schema)


def test_a_question_comes_back_as_sentence_sql_and_table(analyst: Analyst) -> None:
    answer, error = call(make_server(analyst), "ask", question="How many users?")
    table = {"columns": ["users"], "types": ["UInt64"], "rows": [[20]], "totals": None, "total_rows": 1}
    assert (answer["sentence"], answer["sql"], answer["table"]) == ("There are 20 of them.", COUNT, table)
    assert (answer["attempts"], answer["error"], answer["model"], error) == (1, None, "m", "")


@pytest.mark.parametrize(
    ("question", "why"), [("Delete them.", "was refused: Only SELECT may run"), ("The weather?", "cannot answer this")]
)
def test_where_no_answer_came_error_says_why(analyst: Analyst, question: str, why: str) -> None:
    answer, _ = call(make_server(analyst), "ask", question=question)
    assert why in answer["error"] and answer["sentence"] is None and answer["table"] is None


def test_what_fails_is_a_tool_error_with_its_sentence(analyst: Analyst, stub: OpenAIStub) -> None:
    assert "no question" in call(make_server(analyst), "ask", question=" ")[1]
    stub.faults.append(Fault(400))
    assert "as told" in call(make_server(analyst), "ask", question="How many users?")[1]


def test_sql_runs_through_the_gate_within_the_row_limit(analyst: Analyst) -> None:
    server = make_server(analyst)
    table, _ = call(server, "run_sql", sql="SELECT id, nan FROM shop.users ORDER BY id", limit=2)
    assert (table["rows"], table["total_rows"]) == ([[0, "nan"], [1, "nan"]], 20)
    assert "greater than or equal to 1" in call(server, "run_sql", sql="SELECT 1", limit=0)[1]
    totals, _ = call(server, "run_sql", sql="SELECT country, count() FROM shop.users GROUP BY 1 WITH TOTALS")
    assert totals["totals"] == ["", 20]


@pytest.mark.parametrize("sql", [REFUSED, "SELECT * FROM system.users", "SELECT file('/etc/passwd')", "SELECT land"])
def test_sql_that_is_refused_or_fails_is_a_tool_error_with_the_gate_s_own_sentence(
    analyst: Analyst, gate: Gate, sql: str
) -> None:
    with pytest.raises(SqlftError) as refusal:
        gate.run(sql)
    assert call(make_server(analyst), "run_sql", sql=sql)[1].endswith(str(refusal.value))
    assert gate.run(COUNT).rows == [(20,)]


def test_the_schema_card_is_the_one_that_the_model_is_shown(analyst: Analyst) -> None:
    card = call(make_server(analyst), "schema_card")[0]["result"]
    prompt = render_chat(analyst.agent.card, "", analyst.recipe.prompt)[0]["content"]
    assert "shop.users\n- id UInt64" in card and prompt.endswith(card)


def test_questions_are_answered_one_at_a_time_while_everything_else_goes_on(analyst: Analyst, stub: OpenAIStub) -> None:
    stub.latency, done = 0.3, []

    async def one(client: Client, name: str, **arguments: str) -> None:
        await client.call_tool(name, arguments)
        done.append(name)

    async def work(client: Client) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: one(client, "ask", question="How many users?"))
            tasks.start_soon(lambda: one(client, "ask", question="How many by country?"))
            while not stub.arrivals:
                await anyio.sleep(0.01)
            await one(client, "run_sql", sql=COUNT)
            await one(client, "schema_card")

    meet(make_server(analyst), work)
    assert done == ["run_sql", "schema_card", "ask", "ask"] and stub.most == 1


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A folder with a recipe, and what it names."""
    folder = tmp_path_factory.mktemp("project")
    columns = [Column(name="id", type="UInt64"), Column(name="country", type="String")]
    SchemaCard(tables=[Table(name="shop.users", columns=columns)]).save(folder / "schema.yaml")
    files = {"schema": "schema.yaml", "seeds": "seeds.jsonl", "golden": "golden.jsonl", "prompt": {"date": str(DAY)}}
    model = {"base": str(tiny_base), "quantization": "none", "dtype": "float32"}
    database = {"dsn": fill_users(folder / "shop")}
    text = yaml.safe_dump({**files, "model": model, "database": database, "generation": {"max_new_tokens": 6}})
    (folder / "recipe.yaml").write_text(text)
    return folder


# each thing that prints: Python, a child, a descriptor; while the analyst opens, in a tool, and after the protocol
NOISY = """
import os, sys, sqlft.cli
from sqlft.agent import Analyst
from sqlft.database import Gate
def noise():
    print("stray", end="")
    os.system("echo stray")
    os.write(1, b"stray")
def noisy(work):
    return lambda *given, **more: (noise(), work(*given, **more))[1]
Analyst.ask, Gate.run, Gate.close = map(noisy, (Analyst.ask, Gate.run, Gate.close))
Gate.__init__ = noisy(Gate.__init__)
sys.argv[0] = "sqlft"
sqlft.cli.main()
"""


def test_over_standard_output_goes_the_protocol_and_nothing_else(project: Path) -> None:
    """With a local model, whose loading is told; what the server writes is kept by tee."""
    command = f'"{sys.executable}" -c "$NOISY" mcp recipe.yaml 2> told | tee wire'
    here = {"NOISY": NOISY, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}

    async def work(client: Client) -> list[Any]:
        calls = [("ask", {"question": "How many users?"}), ("run_sql", {"sql": COUNT}), ("run_sql", {"sql": REFUSED})]
        return [await client.call_tool(name, given) for name, given in calls]

    started = StdioServerParameters(command="sh", args=["-c", command], env=here, cwd=project)
    answer, table, refused = meet(started, work)
    assert answer.structured_content["model"] == "base" and answer.structured_content["error"]  # its weights are random
    assert table.structured_content["rows"] == [[20]] and "Only SELECT" in refused.content[0].text
    wire, told = ((project / name).read_text() for name in ("wire", "told"))
    assert len(wire.splitlines()) >= 4 and all(json.loads(line)["jsonrpc"] == "2.0" for line in wire.splitlines())
    assert told.count("stray") >= 15 and "loading the base 1/1" in told


def test_ctrl_c_ends_it_while_it_waits_for_a_line() -> None:
    code = """if True:
        from contextlib import nullcontext
        from types import SimpleNamespace
        from sqlft.serving import serve_stdio
        analyst = SimpleNamespace(notes=[], gate=SimpleNamespace(tables={"shop.users"}))
        serve_stdio(nullcontext(analyst), lambda notes: None)"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes) as server:
        print(json.dumps(HELLO), file=server.stdin, flush=True)
        assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "sqlft"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == -signal.SIGINT


@pytest.fixture(scope="module")
def served(project: Path) -> Iterator[int]:
    """The port of a server that a stub of an endpoint writes SQL for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with OpenAIStub(say) as stub:
        words = ["mcp", "recipe.yaml", "--endpoint", stub.url, "--model", "m", "--http", str(port)]
        code = "import sys, sqlft.cli; sys.argv[0] = 'sqlft'; sqlft.cli.main()"
        environment = os.environ | {"SQLFT_MCP_TOKEN": SECRET, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen([sys.executable, "-c", code, *words], cwd=project, env=environment)
        try:
            while not knocks(port):
                assert server.poll() is None, "the server ended"
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()
            server.wait()


def knocks(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def over_http(port: int, headers: dict[str, str]) -> Any:
    async def main() -> Any:
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
            async with Client(transport) as client:
                return await client.call_tool("ask", {"question": "How many users?"})

    return anyio.run(main)


def test_over_http_who_knows_the_token_is_answered(served: int) -> None:
    found = over_http(served, {"Authorization": f"Bearer {SECRET}"})
    assert found.structured_content["sentence"] == "There are 20 of them."


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {SECRET}s"}, {"Authorization": f"Basic {SECRET}"}])
def test_over_http_who_does_not_know_the_token_is_not_heard(served: int, headers: dict[str, str]) -> None:
    assert post(served, headers).status_code == 401
    with pytest.raises((MCPError, httpx2.HTTPError, ExceptionGroup)):
        over_http(served, headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebound.example:80"}, 421),
        ({"Host": "127.0.0.1.rebound.example"}, 421),
        ({"Origin": "http://rebound.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({}, 200),
    ],
)
def test_a_page_whose_own_name_points_here_is_not_heard(served: int, headers: dict[str, str], status: int) -> None:
    assert post(served, {"Authorization": f"Bearer {SECRET}", **headers}).status_code == status


@pytest.mark.parametrize(
    ("token", "what"), [("", "not set"), ("short", "5 characters"), ("a blank in it, of all things", "28 characters")]
)
def test_without_a_token_that_is_long_enough_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch, token: str, what: str
) -> None:
    monkeypatch.setenv("SQLFT_MCP_TOKEN", token)
    with pytest.raises(WrongUse, match=f"SQLFT_MCP_TOKEN: {what}: .* Write export SQLFT_MCP_TOKEN=") as said:
        serve_http(MagicMock(), 1, print)
    assert str(said.value).count("\n") == 0 and SECRET not in repr(_Bearer(SECRET))


def test_a_port_that_is_taken_is_said_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLFT_MCP_TOKEN", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(WrongUse, match=r"--http: .* already in use"):
        serve_http(MagicMock(), taken.getsockname()[1], print)


def test_the_token_is_compared_by_what_takes_the_same_time_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert anyio.run(_Bearer(SECRET).verify_token, SECRET[:-1]) is None
    monkeypatch.setattr("sqlft.serving.hmac.compare_digest", lambda a, b: True)
    assert anyio.run(_Bearer(SECRET).verify_token, "é") is not None


def test_the_server_listens_on_loopback_s_own_address_alone(served: int) -> None:
    assert knocks(served) and not knocks(served, "127.0.0.2")


def post(port: int, headers: dict[str, str]) -> httpx2.Response:
    accept = {"Accept": "application/json, text/event-stream"}
    return httpx2.post(f"http://127.0.0.1:{port}/mcp", json=HELLO, headers=accept | headers, timeout=30)
