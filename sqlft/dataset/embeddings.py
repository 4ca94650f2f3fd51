"""How near questions are in meaning: their vectors, each asked for once and kept in a journal beside the others."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sqlft.dataset.commission import agree
from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.dataset.purse import Purse
from sqlft.dataset.written import Estimate, Written
from sqlft.inference.embeddings import AT_ONCE, embed
from sqlft.inference.endpoint import find_access, is_local, open_client
from sqlft.inference.prices import Cost, Meter
from sqlft.recipe import Embeddings


class QuestionVectors:
    """Asks for vectors.

    Args:
        section: The endpoint.
        path: The journal.
        purse: What it may spend, and who is asked for that.

    Raises:
        WrongUse: The endpoint has no key.
    """

    def __init__(self, section: Embeddings, path: Path, purse: Purse) -> None:
        self._section, self._path, self._purse = section, path, purse
        self._local = is_local(find_access(section.base_url)[0])

    def __call__(self, questions: Sequence[str]) -> np.ndarray | None:
        """A row of length 1 for each question, (questions, width); None where the budget does not bear them.

        Raises:
            WrongUse: Nobody agrees to the cost, or the endpoint accepts the key, the model or the address not.
            SqlftError: The endpoint fails; what it said until then is in the journal.
        """
        section, purse = self._section, self._purse
        texts = [" ".join(question.split()) or "?" for question in questions]
        with Journal(self._path) as journal, open_client(section.model, section.base_url) as client:
            meter = Meter(section.model)
            for entry in journal.entries:
                meter.add(Cost(entry.prompt_tokens, 0, entry.dollars))
            known = self._read(journal)
            kept = len(journal.entries)
            missing = [text for text in dict.fromkeys(texts) if text not in known]
            if missing and not self._may(missing, meter):
                purse.notes.append("the budget is spent: embeddings were not asked for")
                missing = []
            for start in range(0, len(missing), AT_ONCE):
                some = missing[start : start + AT_ONCE]
                vectors, tokens = embed(client, section.model, some)
                self._write(journal, some, vectors, meter.count(tokens, 0, 0))
                purse.progress("embeddings", start + len(some), len(missing), "")
            known = self._read(journal)  # also what was just asked for: a later start reads the same
        dollars = 0.0 if meter.dollars is None and self._local else meter.dollars
        purse.paid.append(Written([], meter.calls, kept, prompt_tokens=meter.prompt_tokens, dollars=dollars))
        if not all(text in known for text in texts):
            return None
        return np.stack([known[text] for text in texts]).astype(np.float32)

    def _may(self, texts: Sequence[str], meter: Meter) -> bool:
        """Whether the budget bears these, at two bytes a token; asks whether they may cost what they will."""
        size = sum(len(text.encode()) for text in texts)
        left, most = self._purse.left, meter.price(size // 2, 0, 0)
        if left is not None and (most or 0.0) + (meter.dollars or 0.0) > left:
            return False
        bounded = left is not None or (most is None and self._local)
        calls, dollars = -(-len(texts) // AT_ONCE), meter.price(size // 4, 0, 0)
        agree("embeddings", Estimate(self._section.model, calls, size // 4, 0, dollars, bounded), self._purse.confirm)
        return True

    def _write(self, journal: Journal, texts: list[str], vectors: np.ndarray, cost: Cost) -> None:
        model = self._section.model
        packed = base64.b64encode(vectors.astype(np.float16).tobytes()).decode()
        answer = {"model": model, "texts": texts, "vectors": packed}
        journal.add(Entry(key=request_key(model=model, texts=texts), number=0, answer=answer, **vars(cost)))

    def _read(self, journal: Journal) -> dict[str, np.ndarray]:
        known: dict[str, np.ndarray] = {}
        for answer in journal.answers.values():
            if answer["model"] == self._section.model:
                rows = np.frombuffer(base64.b64decode(answer["vectors"]), dtype=np.float16)
                known |= zip(answer["texts"], rows.reshape(len(answer["texts"]), -1), strict=True)
        return known
