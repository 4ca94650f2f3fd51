"""Makes data/tiny-base: torchrun --nproc-per-node 2 scripts/make_tiny_base.py --out data/tiny-base --minutes 70.

One process a core is a third faster than one process with a thread a core; `python scripts/make_tiny_base.py` does too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
import torch.distributed as dist
from tiny_base.pretrain import begin_near_identity, pretrain, write
from tiny_base.questions import Writer
from tiny_base.schemas import random_schema
from tiny_base.tokenizer import train_tokenizer
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from sqlft.prompts import render_chat
from sqlft.recipe import Prompt


def texts(seed: int, schemas: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(schemas):
        schema = random_schema(rng)
        writer = Writer(schema, rng)
        yield render_chat(schema.card, "", Prompt(card="compact"))[0]["content"]
        for _ in range(8):
            pair = writer.pair()
            yield from (pair.question, pair.sql)


def configuration(tokenizer: Any, hidden: int, layers: int) -> LlamaConfig:
    heads = hidden // 32
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=512,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--continue-from", type=Path, help="go on from a folder that an earlier call wrote")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--groups", type=int, default=4, help="schemas a step and process")
    parser.add_argument("--suffixes", type=int, default=5, help="questions a schema")
    parser.add_argument("--copies", type=int, default=20, help="rows of the copying task a step and process")
    parser.add_argument("--rate", type=float, default=0.01, help="of Muon; 0.006 to go on from a trained base")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    if "RANK" in os.environ:
        dist.init_process_group("gloo")

    if arguments.continue_from:
        tokenizer = AutoTokenizer.from_pretrained(arguments.continue_from)
        model = LlamaForCausalLM.from_pretrained(arguments.continue_from, dtype=torch.float32)
    else:
        tokenizer = train_tokenizer(texts(arguments.seed, 3000), vocabulary=3072, context=2048)
        model = LlamaForCausalLM(configuration(tokenizer, arguments.hidden, arguments.layers))
        begin_near_identity(model)
    report = pretrain(
        model,
        tokenizer,
        arguments.minutes,
        arguments.seed,
        lambda: write(model, tokenizer, arguments.out),
        lambda line: print(line, flush=True),
        arguments.groups,
        arguments.suffixes,
        arguments.copies,
        arguments.rate,
        torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32,
    )
    if os.environ.get("RANK", "0") == "0":
        write(model, tokenizer, arguments.out)
        size = sum(p.numel() for p in model.parameters())
        print(json.dumps({"parameters": size, "vocabulary": len(tokenizer), **report}))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
