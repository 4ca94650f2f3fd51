"""Divides clean examples into train, validation and held-out sets, by SQL template and not by row.

A template is what is left of the SQL when its literals are masked; where the grammar names a template of its own, its
phrasings count too. One held-out set shares templates with train and no SQL, the other not even a template.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlft.dataset.fold import fold_sql
from sqlft.dataset.lint.wording import template as mask_sql
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Split
from sqlft.records import Example, Rejected

PARTS = ("train", "validation", "heldout", "development", "heldout_templates", "unused")


@dataclass
class Parts:
    """The parts, each in the examples' own order.

    Attributes:
        heldout: Questions of which neither text nor SQL is in train; their template is, where the examples allow it.
        development: As heldout, of other SQL.
        heldout_templates: All questions of the templates that were withheld wholly, phrasings and masked SQL alike.
        unused: What `split.train` did not sample.
        rejected: Pairs in no part, since their SQL stands in a part that may not share it.
    """

    train: list[Example]
    validation: list[Example]
    heldout: list[Example]
    development: list[Example]
    heldout_templates: list[Example]
    unused: list[Example]
    rejected: list[Rejected]


def split(examples: Sequence[Example], section: Split, seed: int, seeds: Sequence[Example] = ()) -> Parts:
    """Divides examples, the same way for the same seed.

    Pairs with the same SQL (see `fold_sql`) stay in one part: what a held-out pair shares its SQL with is held out too.
    `heldout_templates` is a share of the templates; those of the seeds in train are never withheld.

    Args:
        examples: Clean pairs, no question twice.
        section: The recipe's `split`.
        seed: The recipe's seed.
        seeds: Clean pairs that go into train beside the sampled ones (`split.seeds`).

    Raises:
        WrongUse: The examples are fewer than the parts want.
    """
    rng = random.Random(f"{seed}:split")
    place = {id(example): number for number, example in enumerate(examples)}
    template = name_templates([*seeds, *examples])
    withheld = _draw_templates({template[id(e)] for e in examples} - {template[id(e)] for e in seeds}, section, rng)
    in_train = {fold_sql(example.sql) for example in seeds}
    rest = [example for example in examples if template[id(example)] not in withheld]
    apart = [example for example in examples if template[id(example)] in withheld]
    rejected: list[Rejected] = []

    groups: dict[str, list[Example]] = defaultdict(list)
    for example in rest:
        groups[fold_sql(example.sql)].append(example)
    free = [group for sql, group in groups.items() if sql not in in_train]
    rng.shuffle(free)
    free.sort(key=_spares(free, template))
    apart_by_sql: dict[str, list[Example]] = {}
    gone: set[int] = set()
    for part in ("heldout", "validation", "development"):
        apart_by_sql[part], cut = _take(free, getattr(section, part))
        rejected += [_shares_sql(example, part) for example in cut]
        gone |= {id(example) for example in (*apart_by_sql[part], *cut)}
    left = [example for example in rest if id(example) not in gone]
    wanted = section.train or 1 - min(1, len(seeds))
    if any(len(taken) < getattr(section, part) for part, taken in apart_by_sql.items()) or len(left) < wanted:
        raise WrongUse(_too_few(section, len(examples), len(apart), wanted))
    train = left if section.train is None else _sample(left, section.train, rng, template)
    sampled = {id(example) for example in train}

    def in_order(part: Iterable[Example]) -> list[Example]:
        return sorted(part, key=lambda example: place[id(example)])

    return Parts(
        train=[*seeds, *in_order(train)],
        validation=in_order(apart_by_sql["validation"]),
        heldout=in_order(apart_by_sql["heldout"]),
        development=in_order(apart_by_sql["development"]),
        heldout_templates=apart,
        unused=[example for example in left if id(example) not in sampled],
        rejected=rejected,
    )


def name_templates(examples: Sequence[Example]) -> dict[int, str]:
    """A name for each example's template, by the example's id(): the same for all that masked SQL or an id connects."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = name = leader[leader[name]]
        return name

    # what has no SQL, a golden question that the database cannot answer, shares its template with nothing
    masked = [f"sql {mask_sql(e.sql)}" if e.sql else f"question {e.question}" for e in examples]
    for example, one in zip(examples, masked, strict=True):
        ends = sorted({find(one), find(f"id {example.template}" if example.template else one)})
        leader[ends[-1]] = ends[0]
    return {id(example): find(one) for example, one in zip(examples, masked, strict=True)}


def _draw_templates(templates: set[str], section: Split, rng: random.Random) -> set[str]:
    share = section.heldout_templates
    return set(rng.sample(sorted(templates), max(1, round(share * len(templates))))) if share and templates else set()


def _spares(groups: list[list[Example]], template: Mapping[int, str]) -> Callable[[list[Example]], bool]:
    """Whether a group may be held out while every template keeps another one for train."""
    left = Counter(one for group in groups for one in {template[id(example)] for example in group})
    spared = set()
    for group in groups:
        templates = {template[id(example)] for example in group}
        if all(left[one] > 1 for one in templates):
            left.subtract(templates)
            spared.add(id(group))
    return lambda group: id(group) in spared


def _sample(examples: list[Example], count: int, rng: random.Random, template: Mapping[int, str]) -> list[Example]:
    """A random sample that holds every template, where so many may be taken."""
    drawn = rng.sample(examples, len(examples))
    firsts = {template[id(example)]: id(example) for example in reversed(drawn)}
    return sorted(drawn, key=lambda example: firsts[template[id(example)]] != id(example))[:count]


def _take(groups: list[list[Example]], wanted: int) -> tuple[list[Example], list[Example]]:
    """Takes whole groups off the list, and cuts one where none fits; returns the examples and what was cut off."""
    taken: list[Example] = []
    skipped: list[list[Example]] = []
    while len(taken) < wanted and groups:
        group = groups.pop()
        if len(taken) + len(group) <= wanted:
            taken += group
        else:
            skipped.append(group)
    cut: list[Example] = []
    if len(taken) < wanted and skipped:
        group = min(skipped, key=len)
        skipped.remove(group)
        cut = group[wanted - len(taken) :]
        taken += group[: wanted - len(taken)]
    groups += reversed(skipped)
    return taken, cut


def _shares_sql(example: Example, part: str) -> Rejected:
    return Rejected(
        example=example, reason="shared_sql", evidence=f"kept out of {part}: its SQL is in another part too"
    )


def _too_few(section: Split, clean: int, withheld: int, train: int) -> Problem:
    more = f" + development {section.development}" * bool(section.development)
    total = section.heldout + section.validation + section.development + train
    return Problem(
        "split",
        f"heldout {section.heldout} + validation {section.validation}{more} + train {train} = {total}",
        f"{clean - withheld} examples are left ({clean} clean, {withheld} of withheld templates), "
        "and pairs with the same SQL stay together",
        "Write a larger teacher.examples, or smaller parts. rejected.jsonl says what cleaning dropped.",
    )
