"""An OpenAI-compatible server on loopback, for the real client: answers as told, and fails as told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CREATED = 1_764_000_000  # 2025-11-24 16:00 UTC: when every answer says that it was made


@dataclass
class Fault:
    """An HTTP answer that is not what was asked for; `cut` closes the connection in the middle of the body."""

    status: int = 500
    body: str = '{"error": {"message": "as told"}}'
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class OpenAIStub:
    """A context manager; `url` is the base_url to give to the client.

    Args:
        answer: What the model says to a request's body: text, or an object that is sent as JSON text.
        structured: Whether response_format is known; else it is refused as an old server does.
        tokens: Prompt and completion tokens that each answer is said to have used; None sends no usage.
        latency: Seconds that an answer takes.
        key: The only key that is accepted; None accepts all.
        vector: The embedding of a text; None knows no embeddings.
        prompt: The prompt's token ids that a request comes to; they are counted, and sent where they are asked for.
        models: Those that /v1/models lists, each with the tokens that it can hold.

    Attributes:
        requests: The bodies that were answered, in order; faults are not among them.
        faults: Sent before any answer, one a request; None lets one pass.
        arrivals: Monotonic times of all requests.
        most: Most requests that were under way at once.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], Any],
        *,
        structured: bool = True,
        tokens: tuple[int, int] | None = (1000, 500),
        latency: float = 0.0,
        key: str | None = None,
        vector: Callable[[str], list[float]] | None = None,
        prompt: Callable[[dict[str, Any]], list[int]] | None = None,
        models: dict[str, int] | None = None,
    ) -> None:
        self.vector, self.prompt, self.models = vector, prompt, models or {}
        self.answer, self.structured, self.tokens, self.latency, self.key = answer, structured, tokens, latency, key
        self.requests: list[dict[str, Any]] = []
        self.faults: deque[Fault | None] = deque()
        self.arrivals: list[float] = []
        self.under_way = self.most = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> OpenAIStub:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        assert self.vector
        made = [{"index": n, "embedding": self.vector(text)} for n, text in enumerate(body["input"])]
        return {"data": made[::-1], "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        said = self.answer(body)
        message = {"role": "assistant", "content": said if isinstance(said, str) else json.dumps(said)}
        made: dict[str, Any] = {
            "id": "stub",
            "object": "chat.completion",
            "created": CREATED,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        ids = self.prompt(body) if self.prompt else None
        if ids and body.get("return_token_ids"):
            made["prompt_token_ids"] = ids
        if self.tokens:
            prompt, completion = (len(ids) if ids else self.tokens[0]), self.tokens[1]
            made["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return made


def _handler(stub: OpenAIStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with stub.lock:
                stub.arrivals.append(time.monotonic())
                stub.under_way += 1
                stub.most = max(stub.most, stub.under_way)
                fault = self.fault(body)
                if fault is None:
                    stub.requests.append(body)
            time.sleep(stub.latency)
            try:
                answer = stub.embeddings if self.path == "/v1/embeddings" else stub.completion
                self.send(fault or Fault(200, json.dumps(answer(body))))
            finally:
                with stub.lock:
                    stub.under_way -= 1

        def do_GET(self) -> None:
            cards = [{"id": name, "object": "model", "max_model_len": held} for name, held in stub.models.items()]
            self.send(Fault(200, json.dumps({"object": "list", "data": cards})))

        def fault(self, body: dict[str, Any]) -> Fault | None:
            if self.path not in ("/v1/chat/completions", "/v1/embeddings" if stub.vector else ""):
                return Fault(404, '{"error": {"message": "no such path"}}')
            if stub.key and self.headers["Authorization"] != f"Bearer {stub.key}":
                return Fault(401, '{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}')
            if not stub.structured and "response_format" in body:
                return Fault(400, '{"error": {"message": "response_format.type json_schema is not supported"}}')
            return stub.faults.popleft() if stub.faults else None

        def send(self, answer: Fault) -> None:
            content = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **answer.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if answer.cut else content)
            self.close_connection = answer.cut

        def log_message(self, *_: object) -> None:
            pass

    return Handler
