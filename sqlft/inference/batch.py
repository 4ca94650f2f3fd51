"""The Batch API of an OpenAI-compatible endpoint: many chats in one file, answered within a day at half the price.

https://platform.openai.com/docs/guides/batch
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import openai
from openai.types import Batch

from sqlft.inference.completion import Completion

HALF = 0.5
MARK = "sqlft"
UNDER_WAY = ("validating", "in_progress", "finalizing", "cancelling")


@dataclass(frozen=True)
class BatchApi:
    """The API by way of a client; see `open_client`."""

    client: openai.OpenAI

    def submit(self, bodies: Mapping[str, Mapping[str, Any]], mark: str) -> str:
        """Uploads chats by key and begins them; the batch's id. `mark` finds it again."""
        method = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [json.dumps({"custom_id": key, **method, "body": body}) for key, body in bodies.items()]
        upload = ("requests.jsonl", ("\n".join(lines) + "\n").encode(), "application/jsonl")
        file = self.client.files.create(file=upload, purpose="batch")
        batch = self.client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={MARK: mark},
        )
        return batch.id

    def find(self, mark: str) -> str | None:
        """The id of a batch that was begun with that mark."""
        for batch in self.client.batches.list(limit=100):
            if (batch.metadata or {}).get(MARK) == mark:
                return batch.id
        return None

    def look(self, batch_id: str) -> Batch:
        """How far it is."""
        return self.client.batches.retrieve(batch_id)

    def results(self, batch: Batch) -> Iterator[tuple[str, Completion | str]]:
        """Each chat that came to an end: its key, and its completion or why there is none."""
        for file_id in (batch.output_file_id, batch.error_file_id):
            for line in self.client.files.content(file_id).text.splitlines() if file_id else []:
                if line.strip():
                    yield _read_line(json.loads(line))


def _read_line(line: dict[str, Any]) -> tuple[str, Completion | str]:
    answer = line.get("response") or {}
    if answer.get("status_code") == 200 and answer.get("body", {}).get("choices"):
        return line["custom_id"], Completion.model_validate(answer["body"])
    fault = line.get("error") or answer.get("body", {}).get("error") or answer
    return line["custom_id"], str(fault)[:300]
