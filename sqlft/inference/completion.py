"""A chat completion: the shape that is asked for, and what is read of the answer.

Of a completion only the fields that are used are read, and by pydantic: the openai client's own walk over each request
and answer, which knows every field that there is, took a third of a call's CPU time.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

T = TypeVar("T", bound=BaseModel)


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _PromptTokens(BaseModel):
    cached_tokens: int | None = None


class Usage(BaseModel):
    """Tokens of one call."""

    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _PromptTokens | None = None

    @property
    def cached_tokens(self) -> int:
        """The part of the prompt that the endpoint had read before."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0


class Completion(BaseModel):
    """What an endpoint answers; some servers count no tokens."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Usage | None = None
    created: Any = None
    prompt_token_ids: list[int] | None = None  # vLLM's, where it is asked for them

    @property
    def time(self) -> int:
        """When it was made, a Unix time; 0 where the endpoint does not say, or says what is none."""
        said = self.created
        return int(said) if isinstance(said, int | float) and 0 < said < 2**33 else 0


def answer_format(schema: type[BaseModel]) -> dict[str, Any]:
    """What `response_format` says, for an answer of that shape."""
    return {
        "type": "json_schema",
        "json_schema": {"name": schema.__name__, "strict": True, "schema": answer_shape(schema)},
    }


@functools.cache
def answer_shape(schema: type[BaseModel]) -> Any:
    """The JSON schema of an answer, as strict structured output wants it: every field required, and no other."""
    return _strict(schema.model_json_schema())


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {key: _strict(part) for key, part in schema.items()}
    if whole.get("type") == "object":
        whole |= {"additionalProperties": False, "required": list(whole["properties"])}
    return whole


def read_completion(completion: Completion, schema: type[T]) -> T:
    """The answer as `schema`; ValueError where it is not."""
    choice = completion.choices[0]
    if choice.message.refusal:
        raise ValueError(f"it refuses: {choice.message.refusal[:200]}")
    if choice.finish_reason == "length":
        raise ValueError("the answer was cut at the model's length limit")
    text = choice.message.content or ""
    start = re.search(
        r"[{[]", text
    )  # past a fence or a greeting, where an endpoint without structured output wrote one
    if start is None:
        raise ValueError(f"no JSON in {text[:80]!r}")
    try:
        return schema.model_validate(json.JSONDecoder().raw_decode(text, start.start())[0])
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in {text[:80]!r}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
