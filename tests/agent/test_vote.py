"""The majority by result, whatever the SQL looks like."""

from sqlft.agent.vote import Ran, vote
from sqlft.database import QueryError, Result


def result(*rows: tuple[object, ...]) -> Result:
    return Result(columns=["n"], rows=list(rows), types=["UInt64"])


def test_the_largest_class_of_equal_results_wins_and_its_first_sample_is_the_answer() -> None:
    ran: dict[str, Ran] = {"a": result((1,)), "b": result((2,)), "c": result((2,)), "d": result((3,))}
    assert vote(["a", "b", "c", "d"], ran) == (1, 2)


def test_rows_in_another_order_agree_unless_an_order_was_asked_for() -> None:
    ran: dict[str, Ran] = {
        "SELECT n FROM t ORDER BY n": result((1,), (2,)),
        "SELECT n FROM t": result((2,), (1,)),
        "SELECT n FROM u": result((1,), (2,)),
    }
    assert vote(["SELECT n FROM t", "SELECT n FROM u"], ran) == (0, 2)
    assert vote(["SELECT n FROM t ORDER BY n", "SELECT n FROM t"], ran) == (0, 1)


def test_what_does_not_run_has_no_vote() -> None:
    ran: dict[str, Ran] = {"x": QueryError("no"), "a": result((1,))}
    assert vote(["x", "x", "x", None, None, "a"], ran) == (5, 1)
    assert vote([None, "x"], ran) == (0, 0)
