from sqlft.dataset.slots import functions
from sqlft.dataset.slots.functions import LONGEST, read_functions, shorten


def test_the_engine_says_what_its_functions_do_and_is_asked_once(tmp_path, monkeypatch):
    kept = tmp_path / "functions.json"
    found = read_functions(["countIf", "argMax", "LIMIT BY", "If", "noSuchFunction"], kept)
    assert found["argMax"].startswith("argMax(arg, val): Calculates")
    assert "condition" in found["If"] and "LIMIT n BY" in found["LIMIT BY"]
    assert "noSuchFunction" not in found
    monkeypatch.setattr(functions, "_look_up", lambda names: {}[names])
    assert read_functions(["argMax", "noSuchFunction"], kept) == {"argMax": found["argMax"]}


def test_documentation_is_cut_to_its_first_sentence():
    text = "\nRounds `down` a [date](/reference/x) to 1.5 days. More of it.\n\n**Syntax**\n"
    assert shorten("f( x )", text) == "f( x ): Rounds down a date to 1.5 days."
    assert shorten("", "<Note>\nnot this\n</Note>\nThis.") == "This."
    assert len(shorten("", "word " * 200)) <= LONGEST + 2
