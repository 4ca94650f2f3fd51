"""The fastest way of attending is chosen by the clock; what cannot be is dropped and said, and training goes on."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.attention import flex_attention as torch_flex

from sqlft.training import flex, train, trial
from sqlft.training.trial import WAYS, try_ways
from tests.training.test_fit import weights


def tried(seconds, **options):
    """A trial in which each way takes these seconds, or raises them."""
    now, current = 0.0, ""

    def begin(way):
        nonlocal current
        current = way

    def learn():
        nonlocal now
        if isinstance(seconds[current], Exception):
            raise seconds[current]
        now += seconds[current]

    return try_ways(begin, learn, clock=lambda: now, **options)


@pytest.mark.parametrize("best", WAYS)
def test_the_fastest_is_chosen(best):
    found = tried({way: 1.0 if way == best else 2.0 for way in WAYS})
    assert found.chosen == best and found.seconds[best] == 1.0 and not found.dropped
    assert str(found).startswith(f"attention by {best}; ") and f"{best} 1.000 s" in str(found)


def test_what_raises_is_dropped_with_its_reason():
    found = tried({"blocks": 2.0, "flex": RuntimeError("no kernel fits\nmany lines"), "mask": torch.OutOfMemoryError()})
    assert found.chosen == "blocks" and found.seconds == {"blocks": 2.0}
    assert found.dropped == {"flex": "no kernel fits", "mask": "OutOfMemoryError"}
    assert "flex was dropped: no kernel fits" in str(found)


def test_where_nothing_works_the_default_is_left_to_say_why():
    assert tried({way: ValueError("no") for way in WAYS}).chosen == "blocks"


def test_all_processes_choose_what_is_fastest_in_the_slowest():
    found = tried({"blocks": 2.0, "flex": 1.0, "mask": 3.0}, agree=lambda own: list(map(max, own, [1, 4, 2.5])))
    assert found.chosen == "blocks" and found.seconds == {"blocks": 2.0, "flex": 4.0, "mask": 3.0}
    one_failed = tried({"blocks": 2.0, "flex": 1.0, "mask": 3.0}, agree=lambda own: [own[0], float("inf"), own[2]])
    assert one_failed.chosen == "blocks" and one_failed.dropped == {"flex": "it failed in another process"}


def test_a_run_tries_says_and_keeps_what_came_of_it_and_trains_as_without(make_recipe, monkeypatch, trained):
    monkeypatch.setattr(trial, "DEVICES", ("cpu",))
    told = []
    run = train(make_recipe(), progress=lambda status: told.append(status.note))
    kept = json.loads(Path("runs/run/run.json").read_text())["attention"]
    assert kept["chosen"] in ("blocks", "mask") and set(kept["seconds"]) == {"blocks", "mask"}
    assert "does not support backward on CPU" in kept["dropped"]["flex"]
    assert any(note.startswith(f"attention by {kept['chosen']}") for note in told)
    a, b = weights(run.adapter), weights(trained / "runs/run/adapter")
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in b)
    before = json.loads((trained / "runs/run/run.json").read_text())
    assert before["attention"] == {"chosen": "blocks"}
    assert run.manifest["tokens"] == before["tokens"]


def test_a_whole_run_by_flex_counts_and_learns_what_one_by_blocks_does(make_recipe, monkeypatch, trained):
    monkeypatch.setattr(torch_flex, "_validate_device", lambda *_: None)  # as in test_flex
    monkeypatch.setattr(trial, "DEVICES", ("cpu",))
    monkeypatch.setattr(trial, "WAYS", {"flex": flex.NAME})
    run = train(make_recipe())
    before = json.loads((trained / "runs/run/run.json").read_text())
    assert run.manifest["attention"]["chosen"] == "flex" and run.manifest["tokens"] == before["tokens"]
    for key in ("loss", "eval_loss", "grad_norm"):
        found = [[entry[key] for entry in curve if key in entry] for curve in (run.manifest["curve"], before["curve"])]
        assert len(found[0]) >= 4 and found[0] == pytest.approx(found[1], rel=1e-4), key
