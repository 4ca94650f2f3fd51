"""What is shown of an answer."""

from __future__ import annotations

from sqlft.database import Result
from sqlft.playground.show import show_result


def test_of_a_cell_as_long_as_a_book_the_beginning_is_shown_and_its_length_said() -> None:
    page = show_result(Result(["text", "n"], [("x" * 3_000_000, 1)], ["String", "UInt8"], total_rows=1))
    assert len(page) < 5000 and "… (3,000,000 characters)" in page and ">1</td>" in page
