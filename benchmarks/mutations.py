"""Mistakes of a known category put into right SQL, and rewritings that change nothing, for `benchmarks.diagnosis`.

Nothing here reads a rule of the diagnosis: a mutation changes characters, and says what is wrong then.
"""

from __future__ import annotations

import random
import re

from benchmarks.mutated_conditions import (
    Mutation,
    count_for_rate,
    cut_period,
    filter_too_many,
    garbled,
    late_period,
    lost_bracket,
    mean_for_median,
    misused_aggregate,
    negated,
    no_condition_in_metric,
    no_filter,
    no_having,
    no_period,
    odd_format,
    on_conditions,
    other_aggregate,
    other_column_measured,
    other_flag,
    other_month,
    other_number,
    other_value,
    other_year,
    rate_of_sessions,
    reaches_out,
    renamed_column,
    renamed_database,
    renamed_function,
    renamed_table,
    sub,
    sum_for_count,
    turned_operator,
    wrong_type,
)


def other_dimension(s: str, rng: random.Random) -> str | None:
    if not re.search(r"GROUP BY (?:s\.)?(os|browser)\b", s) or re.search(
        "'(Windows|Linux|iOS|Android|macOS|Chrome|Edge|Firefox|Safari)'", s
    ):
        return None
    swap = {"os": "browser", "browser": "os"}
    return (
        re.sub(r"\b(os|browser)\b", lambda m: swap[m[1]], s)
        if len(set(re.findall(r"\b(os|browser)\b", s))) == 1
        else None
    )


def other_grain(s: str, rng: random.Random) -> str | None:
    if "toStartOf" not in s or "= '20" in s:
        return None
    swap = {"toStartOfMonth": "toStartOfQuarter", "toStartOfQuarter": "toStartOfMonth"}
    return re.sub(r"\btoStartOf(Month|Quarter)\b", lambda m: swap[m[0]], s)


def key_too_many(s: str, rng: random.Random) -> str | None:
    if not re.match(r"SELECT [^()]", s) or s.count("GROUP BY") != 1 or "ecommerce.sessions" not in s or "LIMIT" in s:
        return None
    column = rng.choice(["os", "browser"])
    if re.search(rf"\b{column}\b", s) or "(SELECT" in s:
        return None
    qualified = f"s.{column}" if " AS s" in s else column
    return sub(r"^SELECT ", f"SELECT {qualified}, ", sub(r"GROUP BY ", f"GROUP BY {qualified}, ", s) or s)


def key_lost(s: str, rng: random.Random) -> str | None:
    found = re.match(r"SELECT ([\w.]+|toStartOf\w+\([\w.]+\))( AS \w+)?, (.*?) GROUP BY [^,()]+( ORDER BY [^()]*)?$", s)
    return f"SELECT {found[3]}" if found and "DISTINCT" not in s else None


def outer_join(s: str, rng: random.Random) -> str | None:
    crossed = sub(r"(?:INNER )?JOIN (\S+ AS \w+) ON [\w.]+ = [\w.]+", r"CROSS JOIN \1", s)
    return rng.choice([sub(r"(INNER )?JOIN", rng.choice(["FULL JOIN", "RIGHT JOIN"]), s), crossed])


def wrong_key(s: str, rng: random.Random) -> str | None:
    return sub(r"u\.user_id = s\.user_id|s\.user_id = u\.user_id", "u.user_id = s.session_id", s)


def needless_join(s: str, rng: random.Random) -> str | None:
    if "JOIN" in s or s.count("FROM") != 1 or "ecommerce.users" not in s or re.search(r"\buser_id\b", s):
        return None
    return s.replace(
        "FROM ecommerce.users", "FROM ecommerce.users AS u INNER JOIN ecommerce.sessions AS s ON s.user_id = u.user_id"
    )


def no_order(s: str, rng: random.Random) -> str | None:
    return sub(r" ORDER BY (?!.*\)$).*$", "", s) if "LIMIT" not in s else None


def turned_order(s: str, rng: random.Random) -> str | None:
    if " OVER " in s:
        return None
    return sub(r" DESC\b", "", s) or sub(r" ORDER BY (\w+)$", r" ORDER BY \1 DESC", s)


def other_order(s: str, rng: random.Random) -> str | None:
    return sub(r" ORDER BY (\w+) DESC, (\w+)", r" ORDER BY \2", s)


def other_limit(s: str, rng: random.Random) -> str | None:
    return sub(r" LIMIT (\d+)$", lambda m: f" LIMIT {int(m[1]) + rng.choice([1, 2, 4])}", s)


def no_limit(s: str, rng: random.Random) -> str | None:
    return sub(r" LIMIT \d+$", "", s)


def no_limit_by(s: str, rng: random.Random) -> str | None:
    return sub(r" LIMIT \d+ BY .*$", "", s)


def column_lost(s: str, rng: random.Random) -> str | None:
    found = re.match(r"SELECT (\w[\w.]*|toStartOf\w+\([\w.]+\) AS \w+), (?=.*(?:GROUP BY|LIMIT))", s)
    if found and not re.search(
        rf" AS {re.escape(found[1].split()[-1])}\b|GROUP BY {found[1].split()[-1]}\b(?=.*ORDER)", s[found.end() :]
    ):
        return "SELECT " + s[found.end() :] if " AS " not in found[0] else None
    return (
        sub(r"^(SELECT [\w.]+), (?:count\(\)|sum\([\w.]+\))(?: AS \w+)? FROM", r"\1 FROM", s)
        if "ORDER" not in s and "HAVING" not in s
        else None
    )


def metric_unshown(s: str, rng: random.Random) -> str | None:
    return sub(r"^(SELECT [\w.]+), ((?:count|sum|avg)\([\w.]*\)) AS (\w+) (FROM.* ORDER BY )\3\b", r"\1 \4\2", s)


def column_too_many(s: str, rng: random.Random) -> str | None:
    if "DISTINCT" in s:
        return None
    extra = rng.choice(["count()", "max(revenue)", "min(action_date)"] if "sessions" in s else ["count()", "max(age)"])
    if (
        extra in s
        or " AS u" in s
        or " AS s" in s
        or "SELECT" in s[7:]
        or not re.search(r"count|sum|avg|uniq|max|min", s)
    ):
        return None
    return sub(r" FROM ", f", {extra} FROM ", s)


def not_distinct(s: str, rng: random.Random) -> str | None:
    if " / " in s:
        return None
    return sub(r"SELECT DISTINCT ", "SELECT ", s) or (
        sub(r"uniqExact\([\w.]+\)", "count()", s) if s.count("uniqExact") == 1 else None
    )


def distinct_users(s: str, rng: random.Random) -> str | None:
    if s.count("count()") != 1 or "100 *" in s or "ecommerce.sessions" not in s or "(SELECT" in s or "JOIN" in s:
        return None
    return s.replace("count()", "uniqExact(user_id)")


def no_hundred(s: str, rng: random.Random) -> str | None:
    return s.replace("100 * ", "") if s.count("100 * ") == 1 else None


def other_unit(s: str, rng: random.Random) -> str | None:
    return sub(r" / (3600|60)\b", "", s) or sub(r"((?:sum|avg)\((?:\w\.)?session_duration\))", r"\1 / 60", s)


def rounded(s: str, rng: random.Random) -> str | None:
    return sub(
        r"^SELECT (.*, )?((?:avg|sum)\([\w.]+\)|100 \* \w+\([^()]*\) / \w+\([^()]*\))",
        lambda m: f"SELECT {m[1] or ''}round({m[2]})",
        s,
    )


def no_totals(s: str, rng: random.Random) -> str | None:
    return sub(" WITH TOTALS", "", s)


def totals_too_many(s: str, rng: random.Random) -> str | None:
    if "TOTALS" in s or "LIMIT" in s or "(SELECT" in s:
        return None
    return sub(r"( GROUP BY [\w., ]+?)(?= ORDER BY| HAVING|$)", r"\1 WITH TOTALS", s)


MUTATIONS: dict[str, list[Mutation]] = {
    "syntax": [lost_bracket, garbled],
    "unknown_column": [renamed_column],
    "unknown_table": [renamed_table],
    "unknown_function": [renamed_function],
    "unknown_database": [renamed_database],
    "unknown_format": [odd_format],
    "wrong_types": [wrong_type],
    "aggregate_misuse": [misused_aggregate],
    "refused": [reaches_out],
    "missing_filter": [no_filter, no_condition_in_metric, no_having],
    "wrong_filter": [turned_operator, negated, filter_too_many],
    "wrong_literal": [other_value, other_number, other_flag],
    "date_range": [other_year, other_month, no_period, cut_period, late_period],
    "wrong_metric": [other_column_measured, sum_for_count, rate_of_sessions, count_for_rate],
    "wrong_aggregation": [other_aggregate, mean_for_median],
    "wrong_grouping": [other_dimension, other_grain, key_too_many, key_lost],
    "wrong_join": [outer_join, wrong_key, needless_join],
    "wrong_order": [no_order, turned_order, other_order],
    "wrong_limit": [other_limit, no_limit, no_limit_by],
    "missing_column": [column_lost, metric_unshown],
    "extra_column": [column_too_many],
    "distinct": [not_distinct, distinct_users],
    "scale": [no_hundred, other_unit, rounded],
    "totals": [no_totals, totals_too_many],
}


# what changes nothing


def star(s: str, rng: random.Random) -> str | None:
    return s.replace("count()", rng.choice(["count(*)", "COUNT(*)", "count(1)"]))


def renamed(s: str, rng: random.Random) -> str | None:
    """Other aliases, where a name is an alias and nothing else."""
    for name in set(re.findall(r"\bAS (\w{2,})", s)) - {"country", "os", "browser", "day", "user_id"}:
        if not re.search(rf"'{name}|{name}'|\.{name}\b", s):
            s = re.sub(rf"(?<![\w.]){name}(?![\w(])", f"{name[0]}_{len(name)}", s)
    return s


def other_aliases(s: str, rng: random.Random) -> str | None:
    for old, new in (("s", "visits"), ("u", "people"), ("f", "f1"), ("b", "per_user")):
        s = re.sub(rf"\b{old}\.(?=\w)", f"{new}.", re.sub(rf" AS {old}\b", f" AS {new}", s))
    return s


def years_as_days(s: str, rng: random.Random) -> str | None:
    forms = [
        lambda m: f"{m[1]} BETWEEN '{m[2]}-01-01' AND '{m[2]}-12-31'",
        lambda m: f"{m[1]} >= '{m[2]}-01-01' AND {m[1]} < '{int(m[2]) + 1}-01-01'",
        lambda m: f"toStartOfYear({m[1]}) = '{m[2]}-01-01'",
    ]
    return re.sub(r"toYear\(((?:\w+\.)?(?:action_date|first_day))\) = (20\d\d)", rng.choice(forms), s)


def months_as_days(s: str, rng: random.Random) -> str | None:
    forms = [
        lambda m: f"toYYYYMM({m[1]}) = {m[2]}{m[3]}",
        lambda m: f"toYear({m[1]}) = {m[2]} AND toMonth({m[1]}) = {int(m[3])}",
        lambda m: f"toStartOfMonth({m[1]}) = toDate('{m[2]}-{m[3]}-01')",
    ]
    return re.sub(r"toStartOfMonth\(([\w.]+)\) = '(20\d\d)-(\d\d)-01'", rng.choice(forms), s)


def turned_conjuncts(s: str, rng: random.Random) -> str | None:
    return on_conditions(s, lambda parts: None if any(" OR " in part for part in parts) else parts[::-1])


def turned_join(s: str, rng: random.Random) -> str | None:
    return re.sub(r"ON ([\w.]+) = ([\w.]+)", r"ON \2 = \1", s.replace("INNER JOIN", "JOIN"))


def group_by_place(s: str, rng: random.Random) -> str | None:
    found = re.match(r"SELECT (?:[\w.]+|toStartOf\w+\([\w.]+\))(?: AS (\w+))?, .* GROUP BY (\w+)(?=$| ORDER| WITH)", s)
    return (
        sub(r"GROUP BY \w+(?=$| ORDER| WITH)", "GROUP BY 1", s)
        if found
        and s.count("GROUP BY") == 1
        and found[1] in (found[2], None)
        and re.match(rf"SELECT (\w\.)?{found[2]}\b|SELECT \S+ AS {found[2]}\b", s)
        else None
    )


def as_cte(s: str, rng: random.Random) -> str | None:
    start = s.find("FROM (SELECT")
    if start < 0 or s.count("(SELECT") != 1:
        return None
    start += 5
    depth = 0
    for place in range(start, len(s)):
        depth += (s[place] == "(") - (s[place] == ")")
        if depth == 0:
            return f"WITH inner_part AS {s[start : place + 1]} {s[:start]}inner_part{s[place + 1 :]}"
    return None


def hundred_behind(s: str, rng: random.Random) -> str | None:
    return re.sub(
        r"100 \* (\w+\([^()]*\)) / (\w+\([^()]*\))",
        rng.choice([r"\1 * 100 / \2", r"\1 / \2 * 100.0", r"100.0 * \1 / \2"]),
        s,
    )


def lower_case(s: str, rng: random.Random) -> str | None:
    return re.sub(
        r"\b(SELECT|FROM|WHERE|GROUP BY|ORDER BY|AND|AS|ON|JOIN|LIMIT|HAVING|DESC)\b", lambda m: m[0].lower(), s
    )


REWRITINGS: list[Mutation] = [
    star, renamed, other_aliases, years_as_days, months_as_days, turned_conjuncts, turned_join, group_by_place, as_cte,
    hundred_behind, lower_case,
]  # fmt: skip


def rewrite(sql: str, rng: random.Random) -> str:
    """The query written otherwise: each rewriting that fits with probability one half."""
    for change in REWRITINGS:
        if rng.random() < 0.5:
            sql = change(sql, rng) or sql
    return sql
