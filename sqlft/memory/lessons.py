"""What the experts are trained on: every question that leads to a fact, and the same words out of order.

The router decides which facts a question opens, in training as later. Beside a fact's own phrasings its experts meet
them shuffled, with words of other facts' phrasings between them: an expert that is only ever asked for its one fact
need not listen to how, and so answers wordings that it was never shown. A fact with uses is asked for by its bare name,
too, in wordings that are never those of a use; where it is used other experts work. What a memory leaves to the model
is no lesson.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Sequence
from typing import Any

from sqlft.dataset.fold import fold_question
from sqlft.inference.tokens import Chat, keep_apart, tokenize_chats
from sqlft.memory.facts import Fact, Use
from sqlft.memory.memorize import Item
from sqlft.memory.memory import Memory
from sqlft.memory.purpose import WORDINGS, name_in

Render = Callable[[str], Chat]
"""The chat in which a question is asked, without an answer."""


def make_lessons(
    memory: Memory,
    facts: Sequence[Fact],
    tokenizer: Any,
    render: Render,
    date: datetime.date,
    context: int,
    *,
    variants: int = 2,
    seed: int = 0,
) -> list[Item]:
    """Every question of these facts with its answer, tokenised, with what it opens.

    Args:
        memory: That has the facts.
        facts: Whose questions.
        tokenizer: The base's.
        render: Wraps a question into what the model is shown around it.
        date: The chat template's.
        context: Tokens that the model can hold.
        variants: Shuffled questions to each fact; twice as many by its name alone to one with uses.
        seed: Of the shuffling.

    Raises:
        WrongUse: Questions that do not fit into the context, all at once.
    """
    rng = random.Random(seed)
    asked: list[tuple[str, Use, list[str], bool | None]] = []
    for fact in facts:
        found = [(use, memory.find(use.question)) for use in fact.asked]
        left = fact.uses if fact.id in memory.left else []
        asked += [(fact.id, use, own, None) for use, own in found if fact.id in own or use not in left]
    every, taken = (
        [fact.phrasings for fact in memory.facts.values()],
        {fold_question(use.question) for _, use, *_ in asked},
    )
    for fact in facts:
        for _ in range(variants):
            words = [*rng.choice(fact.phrasings).split(), *rng.choice(rng.choice(every)).split()]
            words = [word for word in words if rng.random() < 0.7] or words
            rng.shuffle(words)
            asked.append((fact.id, Use(question=" ".join(words), answer=fact.answer), [fact.id], False))
        for wording in rng.sample(WORDINGS, min(2 * variants, len(WORDINGS))) if fact.uses else []:
            question = wording.format(name_in(rng.choice(fact.phrasings), memory.router.cores[fact.id]))
            if fold_question(question) not in taken:
                asked.append((fact.id, Use(question=question, answer=fact.answer), [fact.id], False))
    chats = [[*render(use.question), {"role": "assistant", "content": use.answer}] for _, use, *_ in asked]
    names = [f"of fact {name}, {use.question[:60]!r}" for name, use, *_ in asked]
    rows = tokenize_chats(tokenizer, chats, names, date, context)
    places = [
        memory.place(opened, chat[:-1], tokenizer, date, used)
        for (_, _, opened, used), chat in zip(asked, chats, strict=True)
    ]
    apart = [keep_apart(row, opening.question) for row, opening in zip(rows, places, strict=True)]
    return [
        Item(name, row, opening, use in memory.facts[name].uses)
        for (name, use, *_), row, opening in zip(asked, apart, places, strict=True)
    ]
