"""Answers to questions about one schema: transformers' `generate`, in batches and one by one, and ours, side by side.

    python -m benchmarks.generation_throughput [--questions 64] [--prefix 500] [--tokens 64]

The base is data/tiny-base in float32 on this machine's CPU, greedy; prompts are random tokens: a prefix that all share,
and 20 to 100 of their own. `identical` says whether all three gave the same tokens; an eighth is asked one by one.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from sqlft.inference.decode import decode, read_prefix
from sqlft.inference.load import load_base
from sqlft.recipe import Generation, Model

BASE = str(Path(__file__).parents[1] / "data/tiny-base")


def generated(model: Any, prompts: list[list[int]], tokens: int, pad: int, ends: list[int]) -> list[list[int]]:
    """What `generate` answers to a batch, padded on the left; each up to its end token."""
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    new = model.generate(ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, eos_token_id=ends)
    answers = new[:, width:].tolist()
    return [a[: next((n + 1 for n, token in enumerate(a) if token in ends), len(a))] for a in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--prefix", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    base = load_base(Model(base=BASE, quantization="none", dtype="float32"), BASE)
    rng = random.Random(0)
    size, pad = len(base.tokenizer), base.tokenizer.pad_token_id
    prefix = [base.tokenizer.bos_token_id, *(rng.randrange(16, size) for _ in range(options.prefix - 1))]
    suffixes = [[rng.randrange(16, size) for _ in range(rng.randint(20, 100))] for _ in range(options.questions)]
    # the tiny base seldom ends an answer to nonsense: two of a hundred tokens end one
    ends = sorted({6, *range(16, size, 50)})
    generation = Generation(max_new_tokens=options.tokens)

    def ours() -> list[list[int]]:
        return decode(base.model, read_prefix(base.model, prefix), suffixes, generation, pad, set(ends))

    def batched() -> list[list[int]]:
        return generated(base.model, [prefix + s for s in suffixes], options.tokens, pad, ends)

    def one_by_one() -> list[list[int]]:
        few = suffixes[: -(-len(suffixes) // 8)]
        return [generated(base.model, [prefix + s], options.tokens, pad, ends)[0] for s in few]

    with torch.inference_mode():
        decode(base.model, read_prefix(base.model, prefix), suffixes[:4], Generation(max_new_tokens=4), pad, set(ends))
        answers, seconds = {}, {}
        for way in (ours, batched, one_by_one):
            began = time.perf_counter()
            answers[way.__name__] = way()
            seconds[way.__name__] = (time.perf_counter() - began) / len(answers[way.__name__])
    table = Table("way", "seconds a question", "questions")
    for name, found in answers.items():
        table.add_row(name, f"{seconds[name]:.3f}", str(len(found)))
    Console(stderr=True).print(table)
    few = answers["one_by_one"]
    same = answers["ours"] == answers["batched"] and answers["ours"][: len(few)] == few
    ratios = {f"vs_{name}": round(seconds[name] / seconds["ours"], 2) for name in ("batched", "one_by_one")}
    print(json.dumps({**ratios, "identical": same, "questions": len(suffixes)}))


if __name__ == "__main__":
    main()
