from sqlft.dataset.slots.coverage import count_coverage, thin
from sqlft.records import Example, Slot, read_jsonl, write_jsonl

SLOT = Slot(level="hard", construct="window", tables=["a.b", "a.c"], style="terse", window="year", dates="2023")


def pair(question, sql, slot=SLOT):
    return Example(question=question, sql=sql, slot=slot)


def test_counts_what_came_survived_and_shows_what_was_asked_for():
    written = [pair("1", "SELECT rank() OVER (ORDER BY a)"), pair("2", "SELECT 1"), pair("3", "x"), pair("1", "y")]
    written.append(Example(question="no slot", sql="SELECT 2"))
    found = count_coverage(written, written[:2])
    expected = {"written": 4, "kept": 2, "shown": 1}
    assert found["cell"] == {"hard window": expected}
    assert found["tables"] == {"a.b + a.c": expected} and found["term"] == {"none": expected}
    assert "category" not in found
    assert thin(found) == ["hard window: 2 of 4"]
    assert count_coverage(written[-1:], written) == {} and thin({}) == []


def test_a_slot_is_written_with_its_example(tmp_path):
    path = tmp_path / "x.jsonl"
    write_jsonl(path, [pair("1", "SELECT 1"), Example(question="2", sql="SELECT 2")])
    first, second = read_jsonl(path, Example)
    assert first.slot == SLOT and second.slot is None
    assert '"slot":{"level":"hard","construct":"window","tables":["a.b","a.c"],"style":"terse"' in path.read_text()
    assert path.read_text().count("slot") == 1
