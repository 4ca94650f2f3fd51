"""Makes data/tiny-base: python scripts/make_tiny_base.py --out data/tiny-base --minutes 70."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
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
    parser.add_argument("--start", type=Path, help="go on from a folder that an earlier call wrote")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    if arguments.start:
        tokenizer = AutoTokenizer.from_pretrained(arguments.start)
        model = LlamaForCausalLM.from_pretrained(arguments.start, dtype=torch.float32)
    else:
        tokenizer = train_tokenizer(texts(arguments.seed, 3000), vocabulary=3072, context=2048)
        model = LlamaForCausalLM(configuration(tokenizer, arguments.hidden, arguments.layers))
        begin_near_identity(model)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters, {len(tokenizer)} tokens", flush=True)
    report = pretrain(
        model,
        tokenizer,
        arguments.minutes,
        arguments.seed,
        lambda: write(model, tokenizer, arguments.out),
        lambda line: print(line, flush=True),
    )
    write(model, tokenizer, arguments.out)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
