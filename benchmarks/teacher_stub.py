"""A teacher on loopback for benchmarks, in a process of its own: it answers late, and fails as told.

What it writes depends on the prompt alone. Every fifth query does not survive cleaning.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import urllib.request
from collections import Counter
from typing import Any

FAULTS = ("429", "500", "cut", "not JSON", "malformed")


def pairs_for(prompt: str, count: int) -> list[dict[str, str]]:
    """The pairs that are answered to a prompt."""
    found = []
    for place in range(count):
        number = int(hashlib.sha256(f"{place} {prompt}".encode()).hexdigest()[:8], 16)
        age = 300 if number % 5 == 0 else 20 + number % 60
        sql = f"SELECT count() AS users, {number} AS asked FROM ecommerce.users WHERE age > {age} HAVING users > 0"
        found.append({"question": f"Question {number} about users older than {age}?", "sql": sql, "comment": ""})
    return found


class Stub:
    """A context manager.

    Args:
        latency: Seconds that each answer takes, a fault too.
        faults: Of a hundred requests, how many meet a fault at their first attempt; half of those do at their second.
        pairs: Pairs in an answer.

    Attributes:
        url: The base_url to give to the client.
    """

    def __init__(self, latency: float, faults: int = 0, pairs: int = 1) -> None:
        pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(other, latency, faults, pairs), daemon=True)
        self._process.start()
        self._root = f"http://127.0.0.1:{pipe.recv()}"
        self.url = f"{self._root}/v1"

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def counts(self) -> dict[str, int]:
        """Requests, answers and faults by kind."""
        with urllib.request.urlopen(f"{self._root}/counts") as answer:
            found: dict[str, int] = json.load(answer)
        return found


def _serve(pipe: Any, latency: float, faults: int, pairs: int) -> None:
    attempts: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    sent: Counter[str] = Counter()

    def fault_of(prompt: str) -> str:
        draw = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16)
        attempts[prompt] += 1
        meets = draw % 100 < faults if attempts[prompt] == 1 else draw % 100 < faults / 2 and attempts[prompt] == 2
        return FAULTS[(draw // 100 + attempts[prompt]) % len(FAULTS)] if meets else ""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h[:15] == b"content-length:"), 0
                )
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    counts = {"requests": sum(attempts.values()), "answered": sum(answered.values()), **sent}
                    writer.write(_http(200, json.dumps(counts)))
                    continue
                prompt = json.loads(body)["messages"][-1]["content"]
                fault = fault_of(prompt)
                await asyncio.sleep(latency)
                (sent if fault else answered).update([fault or prompt])
                said = "Of course! {" if fault == "malformed" else json.dumps({"pairs": pairs_for(prompt, pairs)})
                answer = _completion(said, len(prompt) // 4)
                if fault in ("429", "500"):
                    answer = _http(
                        int(fault), '{"error": {"message": "busy"}}', "Retry-After: 1\r\n" * (fault == "429")
                    )
                elif fault == "not JSON":
                    answer = _http(200, '{"choices": [')
                writer.write(answer[: len(answer) // 2] if fault == "cut" else answer)
                if fault == "cut":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024, limit=2**22)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def _completion(text: str, prompt_tokens: int) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(text) // 4, "total_tokens": prompt_tokens}
    made = {
        "id": "x",
        "object": "chat.completion",
        "created": 1_764_000_000,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return _http(200, json.dumps(made))


def _http(status: int, body: str, headers: str = "") -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content
