"""A server in the local model's place, vLLM's: base and adapters by their served names, on prompts that are our own.

`transformers serve` will do for one whole model, such as `sqlft export --merged` makes: it serves no adapters, and
neither lists what it holds nor sends its prompts' tokens.

The server renders the chats. So each answer's prompt is compared with what the tokenizer beside the adapter makes of
the same chat: another template, date or number of BOS raises (LLaMA-Factory #2509, 26% instead of 57%; trl #3853).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date as Date
from pathlib import Path
from typing import Any, NoReturn

from sqlft.inference.adapters import check_identity
from sqlft.inference.completion import Completion
from sqlft.inference.endpoint import Endpoint, for_each, open_client
from sqlft.inference.faults import refuses_token_ids
from sqlft.inference.load import Base, base_folder, load_tokenizer
from sqlft.inference.local import Answer
from sqlft.inference.prices import Cost
from sqlft.inference.tokens import Chat, Row, fits, tokenize_chats
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import date_string
from sqlft.recipe import Generation, Model

CONCURRENCY = 64
"""Questions that a server is asked at a time: it makes its batches of them."""
BY_NUMBER = (
    "The server does not send its prompts' tokens, so that they were compared by number alone: another date of the "
    "same length in the chat template would not show."
)


class ServedModel:
    """As `LocalModel`, on a vLLM server.

    Args:
        section: The recipe's `model` section; the base is served under the name that it gives.
        base: `recipe.base`, for the tokenizer where there is no adapter that has one.
        adapters: Their folders by the names that they are served under.
        url: The server's address, with its /v1; an attribute too.

    Raises:
        WrongUse: A name that is not served; an adapter of another quantisation or template.
        SqlftError: The server cannot be reached.
    """

    def __init__(self, section: Model, base: str, adapters: Mapping[str, Path], url: str) -> None:
        own = next((folder for folder in adapters.values() if (folder / "tokenizer_config.json").is_file()), None)
        self._folder = own or base_folder(section, base, weights=False)
        self._tokenizer = load_tokenizer(self._folder)
        record = Base(None, self._tokenizer, base, self._folder, section.quantization)
        self.adapters = dict(adapters)
        self.warnings = [note for folder in adapters.values() for note in check_identity(record, folder, served=True)]
        self._base, self.url = section.base, url
        with open_client(section.base, url) as client:
            served = {card.id: getattr(card, "max_model_len", None) for card in client.models.list()}
        problems = [
            Problem(url, name, f"it serves {', '.join(served)}", f"Start vLLM with {option}.")
            for name, option in {
                section.base: f"--served-model-name {section.base}",
                **{name: f"--lora-modules {name}={folder}" for name, folder in adapters.items()},
            }.items()
            if name not in served and any(served.values())  # `transformers serve` lists its cache, without lengths
        ]
        if problems:
            raise WrongUse(problems)
        self._context = served.get(section.base) or sys.maxsize

    def generate(
        self,
        chats: Sequence[Chat],
        generation: Generation,
        date: Date,
        *,
        adapter: str | None = None,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> list[list[Answer]]:
        """As `LocalModel.generate`; each sample is a call of its own.

        Raises:
            WrongUse: Chats that do not leave room for the answer in what the server can hold.
            SqlftError: The server reads another prompt than ours, or fails.
        """
        names = ids or [str(number) for number in range(len(chats))]
        rows = tokenize_chats(self._tokenizer, chats, names, date, self._context, room=generation.max_new_tokens)
        endpoint = Endpoint(adapter or self._base, self.url)
        pinned: dict[str, Any] = {"chat_template_kwargs": {"date_string": date_string(date)}, "return_token_ids": True}

        async def sample(place: int, number: int) -> Answer:
            began = time.perf_counter()
            try:
                completion, cost = await endpoint.write(chats[place], generation, **pinned, seed=seed + number)
            except SqlftError as error:
                if not refuses_token_ids(error.__cause__):
                    raise
                pinned.pop("return_token_ids", None)
                completion, cost = await endpoint.write(chats[place], generation, **pinned, seed=seed + number)
            self._check(rows[place], completion)
            return read_answer(completion, cost, time.perf_counter() - began)

        async def one(place: int) -> list[Answer]:
            found = await asyncio.gather(*(sample(place, number) for number in range(generation.samples)))
            if progress:
                progress(1)
            return list(found)

        return for_each(endpoint, range(len(chats)), one, max(1, CONCURRENCY // generation.samples))

    def fits(self, chat: Chat, date: Date, room: int) -> bool:
        """Whether a chat leaves that much room for an answer in what the server can hold."""
        return fits(self._tokenizer, chat, date, self._context, room)

    def _check(self, row: Row, completion: Completion) -> None:
        ids, usage = completion.prompt_token_ids, completion.usage
        if ids is None:
            if usage is None or usage.prompt_tokens != len(row):
                self._refuse(row, f"{usage.prompt_tokens if usage else 'nobody knows how many'} tokens, not {len(row)}")
            if BY_NUMBER not in self.warnings:
                self.warnings.append(BY_NUMBER)
        elif ids != row.prompt:
            same = next(n for n, (a, b) in enumerate(zip([*ids, None], [*row.prompt, None], strict=False)) if a != b)
            there, here = (self._tokenizer.decode(prompt[max(0, same - 4) : same + 8]) for prompt in (ids, row.prompt))
            self._refuse(row, f"from token {same} on, {there!r} for {here!r}")

    def _refuse(self, row: Row, how: str) -> NoReturn:
        raise SqlftError(
            f"{self.url} reads another prompt for question {row.id} than {self._folder} makes of it ({how}): figures "
            f"would measure the chat template. Start vLLM with --tokenizer {self._folder}, and no --chat-template."
        )


def read_answer(completion: Completion, cost: Cost, seconds: float) -> Answer:
    """What an endpoint wrote, as an answer."""
    choice = completion.choices[0]
    return Answer(
        text=choice.message.content or choice.message.refusal or "",
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        seconds=seconds,
        stopped=choice.finish_reason != "length",
        cached_tokens=completion.usage.cached_tokens if completion.usage else 0,
    )
