"""docs/security.md names tests that exist, and says of the source what is so."""

import json
import re
from pathlib import Path

from sqlft.database.worker import Child

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_every_test_and_benchmark_that_the_page_names_exists():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40
    assert {name for name in named if not re.search(rf"def {name}\(", tests)} == set()
    for module in re.findall(r"python -m benchmarks\.(\w+)", PAGE):
        assert (ROOT / f"benchmarks/{module}.py").is_file()


def test_every_line_of_a_table_has_its_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row and "| test |" not in row] == []


def test_nothing_here_unpickles_or_trusts_code():
    unsafe = (
        r"\bpickle\b\.|import pickle|torch\.load\(|trust_remote_code=True|yaml\.(unsafe_|full_)?load\((?!.*BaseLoader)"
    )
    sources = [path for folder in ("sqlft", "scripts") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in sources if re.search(unsafe, path.read_text(encoding="utf-8"))] == []


def test_the_engine_reads_the_statements_of_the_page():
    text = re.search(r"```sql\n(.*?)```", PAGE, re.DOTALL)[1]
    statements = [part.strip() for part in re.sub(r"--.*", "", text).split(";") if part.strip()]
    child = Child(None, {}, None, memory=2**33, confined=False)
    try:
        for statement in statements:
            child.ask(f"EXPLAIN AST {statement}", {}, 60)
        profile = re.findall(r"(\w+) = ", statements[0])
        names = ", ".join(f"'{name}'" for name in profile)
        answer = child.ask(f"SELECT count() FROM system.settings WHERE name IN ({names})", {}, 60)
    finally:
        child.close()
    assert len(statements) == 5 and profile[0] == "readonly"
    assert json.loads(answer)["data"] == [[len(profile)]]
