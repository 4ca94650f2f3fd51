"""What the engine itself says of functions and clauses, for the teacher's prompt: looked up once and kept.

The embedded engine is asked in a process of its own, as a process can open one path only, and the build's is another.
What it said is kept beside the journal, so that a build that is resumed with a newer engine asks what it asked before.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlft.problems import SqlftError

LONGEST = 220
_KINDS = "'Function', 'Aggregate Function', 'Aggregate Function Combinator', 'Statement'"
_CODE = """
import json, sys
from sqlft.database import Database
names = ", ".join(f"'{name}'" for name in json.loads(sys.argv[1]))
with Database.connect("chdb://memory") as database:
    documented = database.run(f"SELECT name, description FROM system.documentation WHERE name IN ({names}) AND type IN "
        "(KINDS) ORDER BY name, type DESC").rows
    syntaxes = database.run(f"SELECT name, syntax FROM system.functions WHERE name IN ({names})").rows
print(json.dumps([documented, syntaxes]))
""".replace("KINDS", _KINDS)


def read_functions(names: Sequence[str], kept: Path) -> dict[str, str]:
    """One line of documentation for each name that the engine knows.

    Args:
        names: Functions, combinators and clauses.
        kept: The JSON file where they are kept; made where it is missing or lacks a name.

    Raises:
        SqlftError: The engine cannot be asked.
    """
    wanted = sorted(set(names))
    found: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if missing := [name for name in wanted if name not in found]:
        found |= dict.fromkeys(missing, "") | _look_up(missing)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(kept.name + ".partial")
        partial.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(kept)
    return {name: found[name] for name in wanted if found[name]}


def _look_up(names: Sequence[str]) -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", _CODE, json.dumps(names)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise SqlftError(f"The embedded engine's documentation cannot be read: {said}")
    documented, syntaxes = json.loads(done.stdout)
    usage = {name: syntax for name, syntax in syntaxes if syntax}
    return {name: shorten(usage.get(name) or "", description) for name, description in documented}


def shorten(syntax: str, description: str) -> str:
    """The syntax and the description's first sentence, without its markup."""
    text = re.sub(r"<(\w+)>.*?</\1>", " ", description, flags=re.DOTALL)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).strip().split("\n\n")[0]
    text = " ".join(text.replace("`", "").replace("**", "").split())
    sentence = re.match(r".*?[.:](?=\s[A-Z]|$)", text)
    text = sentence[0] if sentence else text
    if len(text) > LONGEST:
        text = text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"{' '.join(syntax.split())}: {text}" if syntax else text
