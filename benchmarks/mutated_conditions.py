"""Mutations that break a query, or change what it filters and measures; and the parts that all mutations use."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from benchmarks.edits import KINSHIP

Mutation = Callable[[str, random.Random], str | None]
"""SQL in, SQL out; None where this query does not lend itself."""

ENDS = re.compile(r" (?:GROUP BY|HAVING|ORDER BY|LIMIT|WITH TOTALS|UNION)\b|\)")
COLUMNS = {"revenue": "session_duration", "session_duration": "revenue", "age": "user_id"}


def sub(
    pattern: str, new: str | Callable[[re.Match[str]], str], sql: str, rng: random.Random | None = None
) -> str | None:
    """One match replaced: the first, or one drawn; None where there is none."""
    found = list(re.finditer(pattern, sql))
    if not found:
        return None
    match = rng.choice(found) if rng else found[0]
    text = new(match) if callable(new) else match.expand(new)
    return sql[: match.start()] + text + sql[match.end() :]


def clause(sql: str, word: str) -> tuple[int, int] | None:
    """Where the text after the first WHERE or HAVING stands, up to the next clause of the same SELECT."""
    start = sql.find(f" {word} ")
    if start < 0:
        return None
    start += len(word) + 2
    depth = 0
    for place in range(start, len(sql)):
        if depth == 0 and ENDS.match(sql, place):
            return start, place
        depth += (sql[place] == "(") - (sql[place] == ")")
    return start, len(sql)


def conjuncts(text: str) -> list[str]:
    """What AND joins, BETWEEN's own AND aside."""
    parts, depth, begun = [], 0, 0
    for match in re.finditer(r"[()]| AND ", text):
        depth += (match[0] == "(") - (match[0] == ")")
        if match[0] == " AND " and depth == 0 and not re.search(r"BETWEEN \S+$", text[begun : match.start()]):
            parts.append(text[begun : match.start()])
            begun = match.end()
    return [*parts, text[begun:]]


def on_conditions(sql: str, change: Callable[[list[str]], list[str] | None], word: str = "WHERE") -> str | None:
    place = clause(sql, word)
    if place is None:
        return None
    changed = change(conjuncts(sql[place[0] : place[1]]))
    if changed is None:
        return None
    head = sql[: place[0]] if changed else sql[: place[0]].removesuffix(f" {word} ")
    return head + " AND ".join(changed) + sql[place[1] :]


def dated(condition: str) -> bool:
    return bool(re.search(r"action_date|first_day|\bfirst\b", condition)) and "DayOfWeek" not in condition


def dropped(wanted: Callable[[str], bool], rng: random.Random) -> Callable[[list[str]], list[str] | None]:
    def change(parts: list[str]) -> list[str] | None:
        here = [place for place, part in enumerate(parts) if wanted(part)]
        if not here:
            return None
        gone = rng.choice(here)
        return parts[:gone] + parts[gone + 1 :]

    return change


# what does not run


def lost_bracket(s: str, rng: random.Random) -> str | None:
    place = s.rfind(")")
    return s[:place] + s[place + 1 :] if place > 0 else None


def garbled(s: str, rng: random.Random) -> str | None:
    return rng.choice([f"{s} WHERE AND", f"{s} 'open", sub("SELECT ", "SELECT , ", s)])


def renamed_column(s: str, rng: random.Random) -> str | None:
    wrong = {"revenue": "revenu", "country": "city", "os": "platform", "browser": "browser_name", "age": "years"}
    wrong |= {"action_date": "date_of_visit", "is_fraud": "fraudulent", "user_id": "customer"}
    here = [name for name in wrong if re.search(rf"(?<![\w']){name}(?![\w'])(?!\()", s)]
    name = rng.choice(here) if here else ""
    return re.sub(rf"(?<![\w']){name}(?![\w'])", wrong[name], s) if name else None


def renamed_table(s: str, rng: random.Random) -> str | None:
    return sub(r"ecommerce\.\w+", rng.choice(["ecommerce.visits", "ecommerce.orders", "ecommerce.customers"]), s)


def renamed_database(s: str, rng: random.Random) -> str | None:
    return s.replace("ecommerce.", rng.choice(["shop.", "analytics.", "public."]))


def renamed_function(s: str, rng: random.Random) -> str | None:
    wrong = {"uniqExact(": "countUnique(", "toYear(": "getYear(", "avg(": "mean(", "toStartOfMonth(": "monthStart("}
    wrong |= {"sum(": "total(", "count()": "cnt()"}
    here = [name for name in wrong if re.search(rf"\b{re.escape(name)}", s)]
    name = rng.choice(here) if here else ""
    return re.sub(rf"\b{re.escape(name)}", wrong[name], s) if name else None


def odd_format(s: str, rng: random.Random) -> str | None:
    return f"{s} FORMAT {rng.choice(['Table', 'Excel', 'Text', 'Plain'])}"


def wrong_type(s: str, rng: random.Random) -> str | None:
    return rng.choice(
        [
            sub(r"\b(sum|avg)\((\w\.)?(revenue|session_duration)\)", r"\1(\2browser)", s),
            sub(r"toYear\(((\w\.)?action_date)\)", r"toYear(toString(\1))", s),
            sub(r"toYear\(((\w\.)?action_date)\)", r"toYear(\1, 1, 2)", s),
            sub(r"\b(age|revenue) (>=?|<) \d+", r"\1 \2 'old'", s),
        ]
    )


def misused_aggregate(s: str, rng: random.Random) -> str | None:
    return rng.choice(
        [
            on_conditions(s, lambda parts: [*parts, "count() > 5"]),
            sub(r" GROUP BY .*$", "", s) if s.count("SELECT") == 1 and "DISTINCT" not in s else None,
            sub(r"\b(sum|avg|max)\((\w\.)?(revenue|session_duration|age)\)", r"\1(count())", s),
        ]
    )


def reaches_out(s: str, rng: random.Random) -> str | None:
    return rng.choice(
        [
            f"{s} INTO OUTFILE '/tmp/out.csv'",
            f"{s}; DROP TABLE ecommerce.users",
            "DELETE FROM ecommerce.users WHERE age > 60",
            "SELECT * FROM url('http://localhost/x', CSV)",
            sub(r"ecommerce\.\w+", "system.parts", s),
            "SELECT file('/etc/hostname')",
        ]
    )


def endless(s: str, rng: random.Random) -> str | None:
    return rng.choice(
        [
            "SELECT count() FROM numbers(1000000000000) WHERE sin(number) > 2",
            "SELECT length(groupArray(number)) FROM numbers(3000000000)",
        ]
    )


# what runs, and answers something else


def no_filter(s: str, rng: random.Random) -> str | None:
    return on_conditions(s, dropped(lambda part: not dated(part), rng))


def no_condition_in_metric(s: str, rng: random.Random) -> str | None:
    return sub(r"\b(avg|sum|quantileExactInclusive)If\(([\w.]+), [^()]+\)", r"\1(\2)", s)


def no_having(s: str, rng: random.Random) -> str | None:
    return on_conditions(s, dropped(lambda part: True, rng), "HAVING")


def turned_operator(s: str, rng: random.Random) -> str | None:
    turned = {">": "<", "<": ">", ">=": "<", "<=": ">"}
    if "DayOfWeek" in s or "multiIf" in s:
        return None
    return sub(r"(\b[\w.]+\)? )(>=|<=|>|<) (?=\d)", lambda m: f"{m[1]}{turned[m[2]]} ", s, rng)


def negated(s: str, rng: random.Random) -> str | None:
    return sub(r"(country|os|browser) = (?=')", r"\1 != ", s, rng)


def filter_too_many(s: str, rng: random.Random) -> str | None:
    if "(SELECT" in s or " WHERE " not in s:
        return None
    prefix = "s." if " AS s " in s else ""
    if "ecommerce.sessions" in s:
        offered = [
            c
            for c in ("os = 'Linux'", "browser = 'Chrome'", "is_fraud = 0", "session_duration > 100")
            if c.split()[0] not in s
        ]
    else:
        offered, prefix = [c for c in ("country = 'France'", "is_active = 1", "age > 30") if c.split()[0] not in s], ""
    return on_conditions(s, lambda parts: [*parts, prefix + rng.choice(offered)]) if offered else None


def other_value(s: str, rng: random.Random) -> str | None:
    here = [(value, kin) for kin in KINSHIP for value in kin if s.count(f"'{value}'") == 1]
    if not here:
        return None
    value, kin = rng.choice(here)
    others = [other for other in kin if f"'{other}'" not in s]
    return s.replace(f"'{value}'", f"'{rng.choice(others)}'") if others else None


def other_number(s: str, rng: random.Random) -> str | None:
    pattern = (
        r"((?:age|revenue|session_duration|count\(\)|uniqExact\([\w.]+\)|\bn)\)? (?:>=|<=|>|<|BETWEEN) )(\d+)\b(?!\.)"
    )
    return sub(pattern, lambda m: m[1] + str(int(m[2]) + rng.choice([1, 2, 5, 10])), s, rng)


def other_flag(s: str, rng: random.Random) -> str | None:
    return sub(r"(is_(?:active|fraud)) = ([01])", lambda m: f"{m[1]} = {1 - int(m[2])}", s, rng)


def other_year(s: str, rng: random.Random) -> str | None:
    years = set(re.findall(r"\b20\d\d\b", s))
    if len(years) != 1:
        return None
    year = years.pop()
    return s.replace(year, rng.choice([y for y in ("2021", "2022", "2023", "2024") if y != year]))


def other_month(s: str, rng: random.Random) -> str | None:
    return sub(
        r"(toStartOfMonth\([\w.]+\) = '20\d\d-)(\d\d)-01'",
        lambda m: f"{m[1]}{rng.choice([n for n in range(1, 13) if n != int(m[2])]):02d}-01'",
        s,
        rng,
    )


def no_period(s: str, rng: random.Random) -> str | None:
    return on_conditions(s, dropped(dated, rng))


def cut_period(s: str, rng: random.Random) -> str | None:
    return sub(r"toYear\(([\w.]+)\) = (20\d\d)", r"\1 BETWEEN '\2-01-01' AND '\2-06-30'", s, rng)


def late_period(s: str, rng: random.Random) -> str | None:
    return sub(r"toYear\(([\w.]+)\) = (20\d\d)", r"\1 > '\2-01-01'", s, rng)


def other_column_measured(s: str, rng: random.Random) -> str | None:
    return sub(
        r"\b(sum|avg|max|min|quantileExactInclusive\(0\.\d+\))\((\w\.)?(revenue|session_duration)\)",
        lambda m: f"{m[1]}({m[2] or ''}{COLUMNS[m[3]]})",
        s,
    )


def sum_for_count(s: str, rng: random.Random) -> str | None:
    if "ecommerce.sessions" not in s or s.count("count()") != 1 or "100 *" in s or "(SELECT" in s:
        return None
    return s.replace("count()", f"sum({'s.' if ' AS s' in s else ''}revenue)")


def rate_of_sessions(s: str, rng: random.Random) -> str | None:
    found = re.search(r"100 \* uniqExactIf\([\w.]+, ([\w. =>]+)\) / uniqExact\([\w.]+\)", s)
    return s.replace(found[0], f"100 * countIf({found[1]}) / count()") if found else None


def count_for_rate(s: str, rng: random.Random) -> str | None:
    return sub(r"100 \* (countIf\([^()]+\)) / count\(\)", r"\1", s)


def other_aggregate(s: str, rng: random.Random) -> str | None:
    other = {"sum": "avg", "avg": "max", "max": "min", "min": "max"}
    return sub(r"\b(sum|avg|max|min)\((?=[\w.]+\))", lambda m: f"{other[m[1]]}(", s)


def mean_for_median(s: str, rng: random.Random) -> str | None:
    return sub(r"\bquantileExactInclusive\(0\.\d+\)\(", "avg(", s)
