"""The house rules that a machine can hold: who imports whom, how large a room is, what is never written."""

import ast
import graphlib
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "sqlft").rglob("*.py"))
WRITTEN = sorted(
    path
    for folder in ("sqlft", "tests", "scripts", "benchmarks", "recipes", "docker", "docs", "data", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.suffix
    in (".py", ".md", ".yaml", ".yml", ".jinja", ".jsonl", ".css", ".js", ".toml", "", ".sh", ".xml", ".sql")
    and path.is_file()
    and "__pycache__" not in path.parts
) + [path for path in ROOT.glob("*") if path.suffix in (".md", ".toml", ".lock", ".yaml") or path.name == "Makefile"]
HEAVY = ("torch", "transformers", "trl", "chdb", "pandas", "matplotlib", "openai", "sqlglot", "datasets", "scipy")


def test_rows_import_the_rows_below_alone(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_no_two_modules_need_each_other():
    graph = grimp.build_graph("sqlft", cache_dir=None)
    imports = {m: graph.find_modules_directly_imported_by(m) - {m} for m in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()


def test_no_file_is_more_than_one_room():
    assert {str(p): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400} == {}


def test_the_package_stays_small():
    assert sum(map(_lines_of_code, SOURCES)) < 22000


def _lines_of_code(path: Path) -> int:
    """Lines that hold code: no blank line, no comment, no docstring."""
    text = path.read_text()
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type not in skipped]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_no_room_is_named_after_nothing():
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
    assert [str(path) for path in SOURCES if {path.stem, path.parent.name} & empty] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"/wor[k]/|/far[m]/",
        r"pypi\.or[g]|pythonhoste[d]|registry\.npmj[s]",
        r"langchai[n]",
        r"\b(TOD[O]|FIXM[E]|XX[X])\b",
        r"[\U0001F300-\U0001FAFF]",
    ],
)
def test_words_that_are_never_written(pattern):
    found = [
        f"{path.relative_to(ROOT)}: {m[0]}"
        for path in WRITTEN
        if (m := re.search(pattern, path.read_text(errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("module", ["sqlft", "sqlft.cli"])
def test_importing_the_command_line_imports_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys, sqlft.cli\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try: sqlft.cli.main()\n"
        f"finally: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"}
    )
    assert done.returncode == 0 and done.stderr.strip() == "[]"
