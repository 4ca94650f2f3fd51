"""An OpenAI-compatible endpoint: asked for JSON of a given shape by teacher and judge, for plain answers by the ladder.

Faults that pass (429, 5xx, time-outs, cut connections) are waited out, as long as the server's Retry-After says where
it says so. An endpoint that does not know structured output is asked for plain JSON instead. The key comes from
OPENAI_API_KEY alone and reaches no message.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import os
import random
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from sqlft.inference.completion import Completion, answer_format, answer_shape, read_completion
from sqlft.inference.faults import Garbled, explain, passes, refuses_schema, retry_after
from sqlft.inference.prices import Cost, Meter
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Generation

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"
ATTEMPTS = 7
ATTEMPTS_UNREACHED = 3  # where nothing has ever answered, the address is more likely wrong than the server busy
ATTEMPTS_MALFORMED = 3
LONGEST_WAIT = 30.0
CLIENTS = 8
"""httpx looks at each connection of a client twice a call: with 64 in one that is a third of the CPU time of a call."""

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")
Item = TypeVar("Item")
Chat = list[dict[str, str]]


class MalformedAnswer(SqlftError):
    """The endpoint answered, several times, with something else than the JSON that it was asked for.

    Attributes:
        cost: What those answers cost.
    """

    def __init__(self, message: str, cost: Cost) -> None:
        super().__init__(message)
        self.cost = cost


@dataclass(frozen=True)
class Answer(Generic[T]):
    """One answer, read, and what it cost with the malformed ones before it.

    Attributes:
        created: When the endpoint says that it made it, a Unix time; 0 where it does not say.
    """

    value: T
    cost: Cost
    created: int = 0


class Endpoint:
    """A client of one model at one endpoint; an async context manager.

    Args:
        model: The model's name there.
        base_url: The endpoint's address with its /v1; null means OPENAI_BASE_URL where set, else OpenAI's own.
        timeout: Seconds that one call may take.
        budget: Dollars; once they are spent, a malformed answer is not asked for again.

    Attributes:
        url: The address, without a user's name or password.
        local: It is this machine's or this network's.
        meter: Counts calls, tokens and dollars.
        structured: Whether the endpoint is asked for structured output; False once it has refused it.
        backoff: Seconds of the first wait, doubled with each further one.

    Raises:
        WrongUse: There is no key, and the endpoint is not a local one; or the address or the key cannot be one.
    """

    backoff = 0.5

    def __init__(
        self, model: str, base_url: str | None = None, *, timeout: float = 300.0, budget: float | None = None
    ) -> None:
        address, self.url, self._key = find_access(base_url)
        self.model, self.local = model, is_local(address)
        self.meter = Meter(model, budget)
        self.structured = True
        self._address, self._timeout = address, timeout

    async def __aenter__(self) -> Endpoint:
        # making a context takes longer than a call, and all clients may use the same
        context = httpx2.create_ssl_context()
        self._clients = [
            openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self._address,
                max_retries=0,
                timeout=self._timeout,
                http_client=openai.DefaultAsyncHttpxClient(verify=context),
            )
            for _ in range(CLIENTS)
        ]
        self._turns = itertools.cycle(self._clients)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.close()

    async def ask(self, messages: Chat, *, schema: type[T], temperature: float = 0.0) -> Answer[T]:
        """Asks once, and again where the answer does not fit the schema.

        Args:
            messages: The chat.
            schema: The answer's shape; every field of it is asked for.
            temperature: Of sampling.

        Raises:
            MalformedAnswer: No answer fitted.
            WrongUse: The key, the model or the address is not accepted.
            SqlftError: The endpoint cannot be reached, refuses the request, or still fails after all waits.
        """
        total = Cost(dollars=self.meter.price(0, 0, 0))
        fault = ""
        for _ in range(ATTEMPTS_MALFORMED):
            completion = await self._complete(messages, schema, temperature)
            total = total + self._count(messages, completion)
            try:
                return Answer(read_completion(completion, schema), total, completion.time)
            except ValueError as error:
                fault = str(error)
            if self.meter.exhausted:
                break
        raise MalformedAnswer(f"{self.model} at {self.url} did not answer with the JSON asked for: {fault}", total)

    async def write(self, messages: Chat, generation: Generation, **more: Any) -> tuple[Completion, Cost]:
        """The answer in the model's own words; raises as `ask`, but for MalformedAnswer. `more` joins the request."""
        decoding = {"temperature": generation.temperature, "top_p": generation.top_p}
        request = {"model": self.model, "messages": messages, **decoding, "max_tokens": generation.max_new_tokens}
        completion = await self._post(request | more)
        return completion, self._count(messages, completion)

    async def _complete(self, messages: Chat, schema: type[BaseModel], temperature: float) -> Completion:
        structured = self.structured
        request: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": temperature}
        if structured:
            request["response_format"] = answer_format(schema)
        else:
            last = messages[-1]
            shape = json.dumps(answer_shape(schema))
            asked = f"Answer with one JSON object of this schema and nothing else:\n{shape}"
            request["messages"] = [*messages[:-1], {**last, "content": f"{last['content']}\n\n{asked}"}]
        try:
            return await self._post(request)
        except SqlftError as error:
            if structured and refuses_schema(error.__cause__):
                self.structured = False
                return await self._complete(messages, schema, temperature)
            raise

    async def _post(self, request: dict[str, Any]) -> Completion:
        retrying = AsyncRetrying(
            retry=retry_if_exception(passes),
            wait=self._wait,
            stop=self._gives_up,
            before_sleep=self._note_retry,
            reraise=True,
        )
        try:
            return await retrying(self._send, request)
        except (openai.APIError, Garbled) as error:
            raise explain(error, self.url, self.model, self._key) from error

    async def _send(self, request: dict[str, Any]) -> Completion:
        # `chat.completions.create` would walk over the request and the answer field by field
        body = await next(self._turns).post("/chat/completions", body=request, cast_to=str)
        try:
            return Completion.model_validate_json(body)
        except ValidationError as error:
            raise Garbled(f"no chat completion: {body[:80]!r}") from error

    def _wait(self, state: RetryCallState) -> float:
        asked = retry_after(_failure(state))
        if asked is not None:
            return asked
        return min(LONGEST_WAIT, self.backoff * 2 ** (state.attempt_number - 1)) * random.uniform(0.5, 1)

    def _gives_up(self, state: RetryCallState) -> bool:
        error = _failure(state)
        unreached = isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)
        return state.attempt_number >= (ATTEMPTS_UNREACHED if unreached and not self.meter.calls else ATTEMPTS)

    def _note_retry(self, _state: RetryCallState) -> None:
        self.meter.retries += 1

    def _count(self, messages: Chat, completion: Completion) -> Cost:
        usage = completion.usage
        if usage is None:  # some servers send none: four bytes a token is near enough for a budget
            asked = sum(len(message["content"].encode()) for message in messages)
            return self.meter.count(asked // 4, 0, len((completion.choices[0].message.content or "").encode()) // 4)
        return self.meter.count(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)


def ask_all(
    endpoint: Endpoint,
    chats: Sequence[Chat],
    *,
    schema: type[T],
    temperature: float = 0.0,
    concurrency: int = 16,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Answer[T] | MalformedAnswer]:
    """Asks about each chat, `concurrency` at a time, and closes the endpoint.

    Returns:
        One answer a chat, in order.

    Raises:
        SqlftError: As `Endpoint.ask`, but for MalformedAnswer, which stands in its place in the list.
    """

    done = itertools.count(1)

    async def one(chat: Chat) -> Answer[T] | MalformedAnswer:
        answer: Answer[T] | MalformedAnswer
        try:
            answer = await endpoint.ask(chat, schema=schema, temperature=temperature)
        except MalformedAnswer as error:
            answer = error
        progress(next(done))
        return answer

    return for_each(endpoint, chats, one, concurrency)


def for_each(
    endpoint: Endpoint, items: Sequence[Item], ask: Callable[[Item], Coroutine[Any, Any, R]], concurrency: int = 16
) -> list[R]:
    """What `ask` gives for each item, in order, `concurrency` of them at a time; closes the endpoint.

    Raises the first fault, when what was under way has come to its end: it is paid for.
    """

    async def all_of_them() -> list[R]:
        free = asyncio.Semaphore(concurrency)
        found: dict[int, R] = {}
        faults: list[Exception] = []

        async def one(place: int, item: Item) -> None:
            async with free:
                try:
                    if not faults:
                        found[place] = await ask(item)
                except Exception as error:
                    faults.append(error)

        async with endpoint:
            await asyncio.gather(*itertools.starmap(one, enumerate(items)))
        if faults:
            raise faults[0]
        return [found[place] for place in range(len(items))]

    return run_async(all_of_them())


@contextmanager
def open_client(model: str, base_url: str | None) -> Iterator[openai.OpenAI]:
    """The openai client itself, for what is asked call by call; it waits out faults that pass.

    Args:
        model: The model's name there, for messages.
        base_url: As for `Endpoint`.

    Raises:
        WrongUse: There is no key; or, on the way out, the key, the model or the address is not accepted.
        SqlftError: On the way out, where the endpoint failed.
    """
    address, url, key = find_access(base_url)
    with openai.OpenAI(api_key=key, base_url=address, max_retries=6) as client:
        try:
            yield client
        except (openai.APIError, Garbled) as error:
            raise explain(error, url, model, key) from error


def find_access(base_url: str | None) -> tuple[str, str, str]:
    """The endpoint's address, the same without a user's name or password, and its key.

    Raises:
        WrongUse: There is no key, and the endpoint is not a local one; or the address or the key cannot be one.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    url = re.sub(r"//[^/@]+@", "//", address)
    try:
        local = is_local(address)
    except ValueError as error:
        raise WrongUse(Problem("base_url", url, str(error), "Write https://HOST/v1.")) from error
    key = os.environ.get("OPENAI_API_KEY", "").strip() or (NO_KEY if local else "")
    if not key:
        why = f"it is not set, and {url} wants one"
        raise WrongUse(Problem("OPENAI_API_KEY", "the endpoint's key", why, "Set it in the environment."))
    if not key.isascii():
        raise WrongUse(Problem("OPENAI_API_KEY", "the endpoint's key", "it is not ASCII", "Copy it once more."))
    return address, url, key


def run_async(work: Coroutine[Any, Any, R]) -> R:
    """Runs a coroutine to its end, on a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def is_local(url: str) -> bool:
    """Whether an address is this machine's or this network's."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal"))
