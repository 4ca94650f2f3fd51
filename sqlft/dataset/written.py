"""What a teacher wrote, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlft.database.clauses import split_format
from sqlft.records import Example

FORMAT_CLAUSE = "FORMAT TabSeparatedWithNames"

Progress = Callable[[str, int, int, str], None]
"""Called with the stage's name, how much of it is done, of how much, and a note (tokens, dollars)."""


@dataclass(frozen=True)
class Estimate:
    """What the calls that are still to be made will cost, as far as it can be said before the first.

    Attributes:
        dollars: None where the model's price is not known.
        bounded: A budget stops the calls, or the endpoint is a local one without a price: nobody need agree.
    """

    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    bounded: bool

    def __str__(self) -> str:
        price = "at a price that is not known" if self.dollars is None else f"for about ${self.dollars:.2f}"
        tokens = f"{self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        return f"{self.calls:,} calls of {self.model}, about {tokens}, {price}"


Confirm = Callable[[Estimate], bool]
"""Asked before the first call that costs; whether to make it."""

Survey = Callable[[Sequence[Example]], list[bool]]
"""Which of these pairs, in the order in which they were asked for, survive cleaning."""


@dataclass
class Written:
    """What a teacher wrote.

    Attributes:
        calls: Calls made now; `calls_kept` were in the journal already.
        dollars: Of all calls, those of earlier runs in the same folder included; None where the price is not known.
        notes: What the user should know: a stop at the budget, a mended journal.
    """

    examples: list[Example]
    calls: int = 0
    calls_kept: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = 0.0
    notes: list[str] = field(default_factory=list)


def with_format(example: Example, clause: bool) -> Example:
    """The example with its SQL ending in the FORMAT clause that prompts ask for, or in none."""
    sql = split_format(example.sql)[0].strip()
    return example.model_copy(update={"sql": f"{sql} {FORMAT_CLAUSE}" if clause else sql})
