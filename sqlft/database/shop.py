"""The demo shop: two tables whose data tells a right query from a near miss.

Every value is a hash of (seed, user, visit, purpose), so the rows are the same whatever the engine's threads do, and a
shop of n users begins with the rows of a smaller one. The engine does the work: INSERT … SELECT from numbers().
"""

from __future__ import annotations

from collections.abc import Callable

from sqlft.database.connect import Database
from sqlft.problems import Problem, SqlftError, WrongUse

MARK = "Demo shop made by sqlft"
USERS_AT_A_TIME = 50_000

_USERS = """CREATE TABLE ecommerce.{name} (
    user_id UInt64 COMMENT 'The user\\'s number',
    country String COMMENT 'The country where the user lives',
    is_active UInt8 COMMENT '1 where the account is active today, 0 where it was closed',
    age UInt64 COMMENT 'Age in whole years'
) ENGINE = MergeTree ORDER BY user_id COMMENT 'One row for each registered user. {mark}.'"""

_SESSIONS = """CREATE TABLE ecommerce.{name} (
    user_id UInt64 COMMENT 'Who visited',
    session_id UInt64 COMMENT 'The session\\'s number, unique over all users',
    action_date Date COMMENT 'The day of the visit',
    session_duration UInt64 COMMENT 'Length of the visit in seconds',
    os String COMMENT 'Operating system of the visitor\\'s device',
    browser String COMMENT 'The visitor\\'s browser',
    is_fraud UInt8 COMMENT '1 where the session was found to be fraudulent, 0 otherwise',
    revenue Float32 COMMENT 'What the user paid in this session, in euros; 0 where nothing was bought'
) ENGINE = MergeTree ORDER BY (user_id, session_id) COMMENT 'One row for each visit of a user. {mark}.'"""

# One row a user. Days count from 2021-01-01 (0) to 2024-12-31 (1460); an account that was closed ends before that.
_PEOPLE = """
SELECT
    number + 1 AS user_id,
    multiIf(u1 < 0.36, 'United Kingdom', u1 < 0.65, 'Germany', u1 < 0.85, 'France', 'Netherlands') AS country,
    toUInt64(16 + floor(70 * (0.5 * u2 * u2 + 0.5 * u3))) AS age,
    toInt32(floor(1461 * if(u4 < 0.3, greatest(u5, u6), u5))) AS first_day,
    toUInt8(u7 > 0.1 + if(first_day < 730, 0.14, 0.04) + if(age < 25, 0.08, 0)) AS is_active,
    if(is_active = 1, 1460, first_day + toInt32(floor((1461 - first_day) * u8))) AS last_day,
    last_day - first_day AS span,
    if(u9 < 0.04, 0, least(toUInt64(span + 3), 1 + toUInt64(floor(u10 * u10 * (28 + 69 * span / 1461))))) AS visits,
    multiIf(u11 < 0.6, 'Windows', u11 < if(country IN ('United Kingdom', 'Netherlands'), 0.92, 0.86), 'macOS',
        'Linux') AS desktop_os,
    if(u12 < if(country = 'United Kingdom', 0.56, 0.38) - if(age > 60, 0.1, 0), 'iOS', 'Android') AS mobile_os,
    u13 < 0.3 + age / 200 AS prefers_desktop,
    u14 < 0.45 AS two_devices,
    u15 AS taste,
    u16 < transform(country, ['United Kingdom', 'Germany', 'France'], [0.02, 0.012, 0.034], 0.008)
        * if(age < 30, 2, 1) AS is_fraudster
FROM (SELECT number, {uniforms} FROM numbers({first}, {count}))
"""

# One row a visit. Of two days drawn, the first counts unless its month is a slow one.
_VISITS = """
SELECT
    user_id, user_id * 100 + n AS session_id, action_date,
    toUInt64(5 + floor(s6 * s6 * if(is_mobile, 420, 900)) + if(buys, 120 + floor(s7 * 400), 0)) AS session_duration,
    os, browser,
    toUInt8(s8 < transform(year, [2021, 2022, 2023], [0.5, 0.9, 1.5], 1.1) * (if(is_fraudster, 0.33, 0) + 0.003
        * transform(os, ['Android', 'Windows', 'Linux'], [2.5, 1.5, 3.], 0.6)
        * transform(browser, ['Chrome', 'Firefox', 'Edge'], [1., 1.8, 1.3], 0.7))) AS is_fraud,
    toFloat32(if(buys, round((7 + 380 * s7 * s7 * s7) * spends * if(month >= 11, 1.25, 1), 2), 0)) AS revenue
FROM (
    SELECT *,
        if(s5 < 0.75, taste, s10) AS liking,
        multiIf(
            os = 'Windows', multiIf(liking < 0.52, 'Chrome', liking < 0.84, 'Edge', 'Firefox'),
            os = 'macOS', multiIf(liking < 0.55, 'Safari', liking < 0.86, 'Chrome', liking < 0.97, 'Firefox', 'Edge'),
            os = 'Linux', if(liking < 0.55, 'Firefox', 'Chrome'),
            os = 'Android', multiIf(liking < 0.82, 'Chrome', liking < 0.95, 'Firefox', 'Edge'),
            if(liking < 0.8, 'Safari', 'Chrome')) AS browser,
        os IN ('Android', 'iOS') AS is_mobile,
        s9 < 0.075 * if(age BETWEEN 30 AND 59, 1.6, 1) * if(is_mobile, 0.8, 1.2)
            * if(n = 0, 0.4, 1) * if(is_active = 1, 1, 0.7)
            * multiIf(month >= 11, 1.7, month IN (6, 7, 8), 0.75, 1) * if(toDayOfWeek(action_date) >= 6, 1.2, 1)
            * transform(country, ['United Kingdom', 'Germany', 'France'], [1.25, 1., 0.8], 1.1)
            * (0.8 + (year - 2021) * 0.1) AS buys,
        transform(country, ['United Kingdom', 'Germany', 'France'], [1.1, 1.2, 0.85], 1.) * (0.7 + age / 100)
            * transform(os, ['macOS', 'iOS', 'Android'], [1.4, 1.2, 0.8], 1.) AS spends
    FROM (
        SELECT *,
            first_day + toInt32(floor(s1 * (span + 1))) AS drawn,
            multiIf(n = 0, first_day, s2 < [0.75, 0.6, 0.65, 0.7, 0.65, 0.55, 0.45, 0.5, 0.7, 0.8, 1, 1][
                toMonth(toDate('2021-01-01') + drawn)], drawn,
                first_day + toInt32(floor(s3 * (span + 1)))) AS day,
            toDate('2021-01-01') + day AS action_date, toYear(action_date) AS year, toMonth(action_date) AS month,
            multiIf(
                two_devices AND s4 < 0.03, ['Windows', 'macOS', 'Linux', 'Android', 'iOS'][1 + toUInt8(floor(s3 * 5))],
                prefers_desktop != (two_devices AND s4 < 0.38), desktop_os, mobile_os) AS os
        FROM (
            SELECT *, n, {uniforms} FROM ({people}) ARRAY JOIN range(visits) AS n
        )
    )
)
"""


def fill_shop(db: Database, users: int, seed: int = 0, progress: Callable[[int], None] | None = None) -> dict[str, int]:
    """Fills `ecommerce.users` and `ecommerce.sessions`, about 18 sessions a user.

    The new tables replace the old ones when they are complete, and only old ones that this function made.

    Args:
        db: A handle that may write.
        users: How many users.
        seed: The same seed gives the same rows, on every engine and with any number of threads.
        progress: Called with the number of users that are done.

    Returns:
        Rows of each table, by full name.

    Raises:
        WrongUse: `users` is not positive.
        SqlftError: A table of that name was made by someone else.
        QueryError: The user may not write, or the disk is full.
    """
    if users < 1:
        raise WrongUse(Problem("users", str(users), "a shop needs at least one", "Write a number from 1 on."))
    names = {"users": _USERS, "sessions": _SESSIONS}
    parts = [f"{name}{suffix}" for name in names for suffix in ("", "_new")]
    made = db.run(
        f"SELECT name, comment FROM system.tables WHERE database = 'ecommerce' AND name IN ({str(parts)[1:-1]})"
    )
    for name, comment in made.rows:
        if MARK not in comment:
            raise SqlftError(
                f"ecommerce.{name} in {db.dsn} was not made by sqlft and is left as it is: "
                "fill the shop on another server or folder, or drop that table yourself."
            )
    db.command("CREATE DATABASE IF NOT EXISTS ecommerce")
    for name, create in names.items():
        db.command(f"DROP TABLE IF EXISTS ecommerce.{name}_new")
        db.command(create.format(name=f"{name}_new", mark=f"{MARK}: {users} users, seed {seed}"))
    for first in range(0, users, USERS_AT_A_TIME):
        count = min(USERS_AT_A_TIME, users - first)
        people = _PEOPLE.format(first=first, count=count, uniforms=_uniforms("u", 16, f"{seed}, number"))
        visits = _VISITS.format(people=people, uniforms=_uniforms("s", 10, f"{seed}, user_id, n"))
        db.command(f"INSERT INTO ecommerce.users_new SELECT user_id, country, is_active, age FROM ({people})")
        db.command(f"INSERT INTO ecommerce.sessions_new {visits}")
        if progress:
            progress(first + count)
    rows = {}
    for name in names:
        db.command(f"DROP TABLE IF EXISTS ecommerce.{name}")
        db.command(f"RENAME TABLE ecommerce.{name}_new TO ecommerce.{name}")
        rows[f"ecommerce.{name}"] = db.run(f"SELECT count() FROM ecommerce.{name}").rows[0][0]
    return rows


def _uniforms(letter: str, count: int, key: str) -> str:
    """Columns letter1, letter2, … uniform in [0, 1)."""
    return ", ".join(f"cityHash64({key}, {n}) / 18446744073709551616 AS {letter}{n}" for n in range(1, count + 1))
