"""Embeddings by an OpenAI-compatible endpoint: vectors whose angles say how near texts are in meaning.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import openai
from pydantic import BaseModel, Field, ValidationError

from sqlft.inference.completion import Usage
from sqlft.inference.faults import Garbled

AT_ONCE = 32
"""Texts in a request: some servers take no more."""


class _Vector(BaseModel):
    index: int
    embedding: Annotated[list[float], Field(min_length=1)]


class _Vectors(BaseModel):
    data: list[_Vector]
    usage: Usage | None = None


def embed(client: openai.OpenAI, model: str, texts: Sequence[str]) -> tuple[np.ndarray, int]:
    """Asks once.

    Args:
        client: See `sqlft.inference.endpoint.open_client`, which says what goes wrong.
        model: The model's name there.
        texts: At most `AT_ONCE`, none empty.

    Returns:
        A row of length 1 for each text, (texts, width) in float32; and how many tokens they were, by four bytes a
        token where the endpoint does not say.

    Raises:
        openai.APIError: The endpoint fails.
        Garbled: It answers with something else than one vector a text.
    """
    request = {"model": model, "input": list(texts), "encoding_format": "float"}
    body = client.post("/embeddings", body=request, cast_to=str)
    try:
        answer = _Vectors.model_validate_json(body)
        found = {vector.index: vector.embedding for vector in answer.data}
        rows = np.array([found[place] for place in range(len(texts))], dtype=np.float32)
    except (ValidationError, KeyError, ValueError) as error:  # ValueError: vectors of different lengths
        raise Garbled(f"no vectors for {len(texts)} texts: {body[:80]!r}") from error
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise Garbled("vectors of no direction")
    return rows / lengths, answer.usage.prompt_tokens if answer.usage else sum(len(t.encode()) for t in texts) // 4
