"""The edits of text that put a defect into a clean pair, for `benchmarks.planting`.

Nothing here reads a rule: an edit changes words of the question or characters of the SQL, and says what is wrong then.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Edit = Callable[[str, str, random.Random], tuple[str, str] | None]
"""Question and SQL in, both out; None where this pair does not lend itself."""

MONTHS = "January February March April May June July August September October November December".split()
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
WRONG = {
    "Germany": ["German", "DE", "Deutschland", "GERMANY", "Austria"],
    "France": ["French", "FR", "france", "Spain", "Belgium"],
    "Netherlands": ["Holland", "NL", "The Netherlands", "Dutch"],
    "United Kingdom": ["UK", "Great Britain", "England", "United States"],
    "Windows": ["windows", "Win", "Windows 10", "ChromeOS"],
    "macOS": ["Mac OS", "MacOS", "OS X"],
    "iOS": ["IOS", "iPhone", "iPadOS"],
    "Android": ["android", "Android 14", "Symbian"],
    "Linux": ["linux", "Ubuntu", "GNU/Linux"],
    "Chrome": ["chrome", "Google Chrome", "Chromium"],
    "Firefox": ["Mozilla", "FireFox", "firefox"],
    "Safari": ["safari", "Apple Safari"],
    "Edge": ["Microsoft Edge", "MS Edge", "Opera"],
}
KINSHIP = [
    ["Germany", "France", "Netherlands", "United Kingdom"],
    ["Windows", "macOS", "Linux", "Android", "iOS"],
    ["Chrome", "Firefox", "Safari", "Edge"],
]
PEOPLE = {"Germany": "German", "France": "French", "Netherlands": "Dutch", "United Kingdom": "British"}


def _sub(pattern: str, new: str | Callable[[re.Match[str]], str], text: str, flags: int = 0) -> str | None:
    changed, count = re.subn(pattern, new, text, count=1, flags=flags)
    return changed if count and changed != text else None


def _pair(question: str | None, sql: str | None) -> tuple[str, str] | None:
    return None if question is None or sql is None else (question, sql)


# what does not run


def lost_bracket(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    place = s.rfind(")")
    return (q, s[:place] + s[place + 1 :]) if place > 0 else None


def garbled(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    return _pair(
        q,
        rng.choice(
            [_sub(" FROM ", " FROM FROM WHERE ", s), _sub("SELECT ", "SELECT , ", s), f"{s} WHERE AND", f"{s} 'open"]
        ),
    )


def reaches_out(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    return _pair(
        q,
        rng.choice(
            [
                f"{s} INTO OUTFILE '/tmp/out.csv'",
                f"{s}; DROP TABLE ecommerce.users",
                "DELETE FROM ecommerce.users WHERE age > 60",
                "SELECT * FROM url('http://localhost/x', CSV)",
                _sub(r"ecommerce\.\w+", "system.parts", s),
                "SELECT file('/etc/hostname')",
            ]
        ),
    )


def misspelt(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    wrong = {"revenue": "revenu", "country": "contry", "os": "platform", "browser": "browsers_", "count()": "cnt()"}
    here = [name for name in wrong if re.search(rf"(?<![\w']){re.escape(name)}(?![\w'])", s)]
    if not here:
        return None
    name = rng.choice(here)
    return _pair(q, re.sub(rf"(?<![\w']){re.escape(name)}(?!\w|')", wrong[name], s))


# literals


def foreign_value(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    here = [value for value in WRONG if f"'{value}'" in s]
    if not here:
        return None
    value = rng.choice(here)
    wrong = rng.choice(WRONG[value])
    asked = q.replace(value, wrong) if rng.random() < 0.5 else q
    return _pair(asked, s.replace(f"'{value}'", f"'{wrong}'"))


def far_year(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    years = set(re.findall(r"\b20\d\d\b", s))
    if len(years) != 1 or not re.search(r"toYear\(\S+\) = |toStartOf\w+\(\S+\) = |action_date = ", s):
        return None
    far = rng.choice(["2014", "2019", "2026", "2031"])
    year = years.pop()
    return (q.replace(year, far), s.replace(year, far)) if year in q else None


def far_age(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    found = re.search(r"age (?:>|>=) (\d+)", s)
    if not found or found[1] not in q:
        return None
    far = str(rng.randrange(120, 400))
    return q.replace(found[1], far), s.replace(found[0], found[0].replace(found[1], far))


# results that say nothing


def _and(s: str, condition: str) -> str:
    prefix = "s." if " AS s " in s else ""
    condition = condition.replace("{}", prefix)
    if " WHERE " in s:
        return s.replace(" WHERE ", f" WHERE {condition} AND ", 1)
    return re.sub(r"( GROUP BY| ORDER BY| LIMIT|$)", rf" WHERE {condition}\1", s, count=1)


def two_at_once(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if "(SELECT" in s or "sessions" not in s or "GROUP BY" in s or " OR " in s:
        return None
    one, other = rng.sample(KINSHIP[1], 2)
    return f"{q.rstrip('?.')}, on {one} and {other} at once?", _and(s, f"{{}}os = '{one}' AND {{}}os = '{other}'")


def backwards(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if "(SELECT" in s or "sessions" not in s or "GROUP BY" in s or re.search(r"20\d\d", q) or " OR " in s:
        return None
    return (
        f"{q.rstrip('?.')} between 1 March 2022 and 30 June 2022?",
        _and(s, "{}action_date BETWEEN '2022-06-30' AND '2022-03-01'"),
    )


# question and SQL speak of different things


def _other_year(year: str, rng: random.Random) -> str:
    return rng.choice([y for y in ("2021", "2022", "2023", "2024") if y != year])


def _one_year(q: str, s: str) -> str | None:
    years = set(re.findall(r"\b20\d\d\b", s))
    return (
        years.pop() if len(years) == 1 and set(re.findall(r"\b20\d\d\b", q)) == set(re.findall(r"20\d\d", s)) else None
    )


def year_in_question(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    year = _one_year(q, s)
    return (q.replace(year, _other_year(year, rng)), s) if year else None


def year_in_sql(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    year = _one_year(q, s)
    return (q, s.replace(year, _other_year(year, rng))) if year else None


def year_unsaid(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if re.search(r"20\d\d", q) or "(SELECT" in s or "sessions" not in s:
        return None
    return q, _and(s, f"toYear({{}}action_date) = {rng.choice([2021, 2022, 2023, 2024])}")


def year_unheeded(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if re.search(r"20\d\d", q + s) or "sessions" not in s:
        return None
    when = rng.choice(["back in {}", "over the course of {}", "for calendar {}", "during {}"])
    return f"{q.rstrip('?.')} {when.format(rng.randrange(2021, 2025))}?", s


def month_in_sql(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    found = re.findall(r"toStartOfMonth\(\S+?\) = '20\d\d-(\d\d)-01'", s)
    if len(found) != 1:
        return None
    other = rng.choice([m for m in range(1, 13) if m != int(found[0])])
    return _pair(q, _sub(rf"-{found[0]}-01", f"-{other:02d}-01", s))


def month_in_question(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    found = re.findall(r"toStartOfMonth\(\S+?\) = '20(\d\d)-(\d\d)-01'", s)
    if len(found) != 1:
        return None
    year, month = found[0][0], int(found[0][1])
    other = rng.choice([m for m in range(1, 13) if m != month])
    full = MONTHS[other - 1]
    written = rng.choice([f"{full} 20{year}", f"{full[:3]} 20{year}", f"20{year}-{other:02d}", f"{full} of 20{year}"])
    pattern = rf"\b({'|'.join(MONTHS)}|{'|'.join(m[:3] for m in MONTHS)})( of)? 20{year}|20{year}-\d\d"
    return _pair(_sub(pattern, written, q), s)


def number_in_sql(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    found = re.findall(r"(?:[<>]=?|LIMIT|BETWEEN) (\d+)\b(?!\.)", s)
    found = [n for n in found if 1 < int(n) < 2000 and re.search(rf"(?<!\d){n}(?!\d)", q)]
    if not found:
        return None
    number = rng.choice(found)
    other = str(int(number) + rng.choice([1, 2, 3, 5, 7]))
    return _pair(q, _sub(rf"((?:[<>]=?|LIMIT|BETWEEN) ){number}\b", rf"\g<1>{other}", s))


def number_in_question(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    found = [n for n in re.findall(r"(?:[<>]=?|LIMIT) (\d+)\b", s) if 1 < int(n) < 2000]
    found = [n for n in found if re.search(rf"(?<![\d'-]){n}(?![\d-])", q)]
    if not found:
        return None
    number = rng.choice(found)
    place = rng.choice([p for p in range(1, 12) if p + 1 != int(number)])
    other = rng.choice([str(int(number) + rng.choice([2, 3, 4])), NUMBERS[place]])
    return _pair(_sub(rf"(?<![\d'-]){number}(?![\d-])", other, q), s)


def value_in_sql(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    here = [(v, kin) for kin in KINSHIP for v in kin if s.count(f"'{v}'") == 1 and v in q]
    if not here:
        return None
    value, kin = rng.choice(here)
    other = rng.choice([v for v in kin if f"'{v}'" not in s])
    return q, s.replace(f"'{value}'", f"'{other}'")


def value_in_question(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    here = [(v, kin) for kin in KINSHIP for v in kin if s.count(f"'{v}'") == 1 and q.count(v) == 1]
    if not here:
        return None
    value, kin = rng.choice(here)
    other = rng.choice([v for v in kin if v != value])
    if other in PEOPLE and (
        said := _sub(rf"(users|customers|people) (from|in) (the )?{value}", rf"{PEOPLE[other]} \1", q)
    ):
        return said, s
    return q.replace(value, other), s


def value_unheeded(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if "sessions" not in s or re.search("browser|os\\b", s):
        return None
    kin = rng.choice(KINSHIP[1:])
    said = rng.choice(["when they came with {}", "counting {} only", "for those using {}"])
    return f"{q.rstrip('?.')}, {said.format(rng.choice(kin))}?", s


def value_unsaid(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if "sessions" not in s or "(SELECT" in s or re.search("browser|os\\b", s):
        return None
    column, kin = rng.choice([("os", KINSHIP[1]), ("browser", KINSHIP[2])])
    return q, _and(s, f"{{}}{column} = '{rng.choice(kin)}'")


def another_dimension(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if not re.search(r"GROUP BY (os|browser)\b(?!,)", s) or re.search(
        "'(" + "|".join([*KINSHIP[1], *KINSHIP[2]]) + ")'", s
    ):
        return None
    swap = {"os": "browser", "browser": "os"}
    return q, re.sub(r"\b(os|browser)\b", lambda m: swap[m[1]], s)


def no_order(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if (
        not re.search(r"\b(most|highest|lowest|fewest|least|best)\b", q)
        or "LIMIT 1" not in s
        or " BY country" in s[-15:]
    ):
        return None
    cut = _sub(r" ORDER BY [^()]*(\([^()]*\))?[^()]* LIMIT 1$", "", s)
    if cut and rng.random() < 0.5:
        word = {"most": "greatest number of", "highest": rng.choice(["peak", "top", "biggest"]), "lowest": "smallest"}
        q = re.sub(r"\b(most|highest|lowest)\b", lambda m: word[m[1]], q, count=1)
    return _pair(q, cut)


def no_hundred(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if s.count("100 * ") != 1:
        return None
    said = q
    if rng.random() < 0.5:
        said = re.sub(
            r"[Pp]ercentage", rng.choice(["per cent share", "proportion in %", "percentage share"]), q, count=1
        )
    if not re.search(r"percent|per cent|%", said):
        return None
    return _pair(said, s.replace("100 * ", ""))


def group_unheeded(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if re.search(r"GROUP BY|LIMIT|DISTINCT|'", s):
        return None
    extra = rng.choice(
        [
            ", for each country",
            " per browser",
            ", broken down by operating system",
            ", country by country",
            " by age group",
        ]
        + [", one line for every browser", ", separately for all operating systems", " month by month"]
    )
    return f"{q.rstrip('?.')}{extra}?", s


def group_unasked(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    if re.search(r"GROUP BY|LIMIT|DISTINCT|\(SELECT|OVER| AS s ", s) or "sessions" not in s:
        return None
    column = rng.choice(["os", "browser"])
    if column in s or re.search("browser|operating|system", q):
        return None
    return _pair(
        q,
        f"{s} GROUP BY {column}"
        if rng.random() < 0.5
        else _sub("^SELECT ", f"SELECT {column}, ", f"{s} GROUP BY {column}"),
    )


def term_unheeded(q: str, s: str, rng: random.Random) -> tuple[str, str] | None:
    pairs = [("purchase", "revenue > 0"), ("fraudulent", "is_fraud = 1"), ("active", "is_active = 1")]
    pairs += [("mobile", "os IN ('Android', 'iOS')"), ("weekend", "toDayOfWeek(action_date) >= 6")]
    for word, condition in pairs:
        if re.search(rf"\b{word}", q) and s.count(condition) == 1:
            pattern = rf"(\w\.)?{re.escape(condition)}"
            for form, new in (
                (rf" WHERE {pattern} AND", " WHERE"),
                (rf" AND {pattern}", ""),
                (rf" WHERE {pattern}", ""),
            ):
                if changed := _sub(form, new, s):
                    return q, changed
    return None
