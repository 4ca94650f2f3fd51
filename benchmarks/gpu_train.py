"""A step of Llama-3.1-8B's shape on a GPU: TRL's default, TRL's packing, and sqlft's shared prefix, NF4 and bfloat16.

    python -m benchmarks.gpu_train [--rows 32] [--prefix 500] [--steps 3] [--minutes 9]

Weights are random, since neither speed nor memory depends on their values, and nothing is downloaded; rows are those
of benchmarks.train_throughput. Every cell makes its model anew and takes two steps that compile and warm up, and
`--steps` that are timed; one that fails is shown with its reason, those for which no time is left are named. MFU is of
the products that training an adapter needs for the tokens that are really computed (forward, and backward to
activations; what checkpointing computes again is not counted), over the GPU's dense bfloat16 peak. Levers: --optim,
--budget, --peer-rows and --own-rows (rows of a micro-batch, TRL's and ours), --no-checkpointing. Without CUDA the same
code runs on a tiny shape on the CPU; `--tiny` asks for that shape anywhere.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PrinterCallback
from transformers.models.llama.modeling_llama import LlamaDecoderLayer
from trl import SFTConfig, SFTTrainer

from benchmarks.train_throughput import BASE, Clock, make_rows
from sqlft.inference.tokens import Row
from sqlft.training.rows import as_dataset
from sqlft.training.sft import Trainer
from sqlft.training.sharing import SharedCollator, best_budget
from sqlft.training.trial import WAYS

SHAPES = {
    "8b": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
    },
    "tiny": {
        "vocab_size": 3072,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
}
CELLS = [
    ("default", "sdpa"),
    ("packing", "sdpa"),
    ("packing", "flex"),
    ("ours", "blocks"),
    ("ours", "mask"),
    ("ours", "flex"),
]
PEAKS = {
    "B200": 2250,
    "H200": 989,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "5090": 210,
    "4090": 165,
    "3090": 71,
}
"""Dense bfloat16 TFLOP/s with float32 sums, from NVIDIA's data sheets."""


class CudaClock(Clock):
    """As `Clock`, waiting for what the GPU has been given."""

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
        synchronize()
        super().on_step_begin()

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
        synchronize()
        super().on_step_end()


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_model(shape: str, quantization: str, device: torch.device) -> Any:
    """A Llama of random weights, layer by layer, so that no more than one layer of NF4's is ever held unquantised."""
    config = LlamaConfig(max_position_embeddings=131072, attn_implementation="sdpa", **SHAPES[shape])
    layers, config.num_hidden_layers = config.num_hidden_layers, 0
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        with device:
            model: Any = LlamaForCausalLM(config)
            for number in range(layers):
                layer = LlamaDecoderLayer(config, number)
                model.model.layers.append(quantized(layer) if quantization == "nf4" else layer)
    finally:
        torch.set_default_dtype(before)
    config.num_hidden_layers = model.config.num_hidden_layers = layers
    model.is_loaded_in_4bit = quantization == "nf4"
    return model


def quantized(layer: Any) -> Any:
    """The layer with NF4 in the place of its linear weights, twice quantised, as sqlft loads a base."""
    import bitsandbytes as bnb

    for parent in list(layer.modules()):
        for name, linear in list(parent.named_children()):
            if isinstance(linear, torch.nn.Linear):
                weight = linear.weight.data
                small = bnb.nn.Linear4bit(
                    linear.in_features, linear.out_features, False, weight.dtype, True, "nf4", weight.dtype, "meta"
                )
                small.weight = bnb.nn.Params4bit(
                    weight, False, compress_statistics=True, quant_type="nf4", quant_storage=weight.dtype, module=small
                ).to(weight.device)
                small.support_avx512bf16_for_cpu = False
                setattr(parent, name, small)
    return layer


def measure(
    way: str, attention: str, quantization: str, rows: list[Row], options: argparse.Namespace, device: torch.device
) -> dict[str, Any]:
    """Trains a few steps; tokens are all positions that go through the model in a step, padding too."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    tokenizer.model_max_length = 10**6
    model = make_model(options.shape, quantization, device)
    micro = options.own_rows if way == "ours" else options.peer_rows
    data: Any = as_dataset(rows)
    kind: dict[str, Any] = {}
    if way == "ours":
        model.config._attn_implementation = WAYS[attention]
        budget = options.budget or best_budget(rows, model.config)
        kind["data_collator"] = SharedCollator(tokenizer.pad_token_id, budget, attention != "mask")
    else:
        model.config._attn_implementation = {"flex": "flex_attention"}.get(attention, attention)
        learned = [[0] * len(row.prompt) + [1] * len(row.completion) for row in rows]
        data = Dataset.from_dict({"input_ids": [r.prompt + r.completion for r in rows], "completion_mask": learned})
    pack = {"packing": True, "max_length": micro * max(map(len, rows))} if way == "packing" else {"max_length": None}
    per_device = 1 if way == "packing" else micro
    clock, computed = CudaClock(), []
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            use_cpu=device.type == "cpu",
            bf16=device.type == "cuda",
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=-(-len(rows) // micro),
            max_steps=2 + options.steps,
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            optim=options.optim if device.type == "cuda" else "adamw_torch",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            activation_checkpointing=options.checkpointing,
            completion_only_loss=True,
            **pack,
        )
        trainer = (Trainer if way == "ours" else SFTTrainer)(
            model=model,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=LoraConfig(task_type="CAUSAL_LM", r=32, target_modules="all-linear"),
            callbacks=[clock],
            **kind,
        )
        for weight in trainer.model.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()  # as sqlft trains adapters
        trainer.model.register_forward_pre_hook(
            lambda _module, _args, kwargs: computed.append(kwargs["input_ids"].numel()), with_kwargs=True
        )
        trainer.remove_callback(PrinterCallback)
        synchronize()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
    seconds = statistics.median(clock.seconds[2:])
    tokens = sum(computed) / len(clock.seconds)
    peak = next((value for name, value in PEAKS.items() if name in options.gpu), 0) if options.gpu else 0
    flops = needed(trainer.model, rows, tokens, kind.get("data_collator"), micro)
    return {
        "seconds": round(seconds, 3),
        "examples_per_second": round(len(rows) / seconds, 2),
        "tokens_per_second": round(tokens / seconds),
        "tokens_of_rows_per_second": round(sum(map(len, rows)) / seconds),
        "mfu": round(flops / seconds / ((options.peak or peak) * 1e12), 3) if options.peak or peak else None,
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device.type == "cuda" else None,
        "losses": [round(loss, 4) for loss in clock.losses],
    }


def needed(model: Any, rows: list[Row], tokens: float, collate: Any, micro: int) -> float:
    """Operations of a step: 4 a token and weight of the base (forward, backward to activations), 6 an adapter's weight,
    4 a learned token and weight of the head, 12 hidden sizes a layer and pair of tokens of which one sees the other."""
    config = model.config
    linear = sum(
        (module.in_features * module.out_features) * (6 if "lora_" in name else 4)
        for name, module in model.named_modules()
        if hasattr(module, "in_features") and not hasattr(module, "base_layer") and "lm_head" not in name
    )
    parts = [(0, len(row)) for row in rows]
    if collate:
        items, collate = as_dataset(rows).to_list(), replace(collate, blocks=True)
        layouts = [collate(items[n : n + micro])["sqlft_layout"] for n in range(0, len(rows), micro)]
        sequences = [sequence for layout in layouts for sequence in layout]
        parts = [(0, start) for start, _ in sequences] + [(s, own) for s, lengths in sequences for own in lengths]
    pairs = sum(start * own + own * (own + 1) / 2 for start, own in parts)
    learned = sum(len(row.completion) for row in rows)
    head = 4 * config.hidden_size * config.vocab_size * learned
    return linear * tokens + 12 * config.hidden_size * config.num_hidden_layers * pairs + head


def show(found: dict[str, dict[str, Any]], console: Console) -> None:
    keys = ("seconds", "examples_per_second", "tokens_per_second", "mfu", "peak_gib")
    table = Table("cell", *keys, "losses")
    for name, cell in found.items():
        table.add_row(name, *(str(cell.get(key, "")) for key in keys), str(cell.get("losses", cell.get("why"))))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--prefix", type=int, default=500)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--own-rows", type=int, default=32)
    parser.add_argument("--peer-rows", type=int, default=8)
    parser.add_argument("--budget", type=int, help="tokens of a sequence, ours; reckoned where it is not given")
    parser.add_argument("--optim", default="paged_adamw_8bit")
    parser.add_argument("--no-checkpointing", dest="checkpointing", action="store_false")
    parser.add_argument("--peak", type=float, help="the GPU's dense bfloat16 TFLOP/s, where it is not known here")
    parser.add_argument("--quantizations", nargs="+", default=["nf4", "bfloat16"])
    parser.add_argument("--minutes", type=float, default=9.0, help="no cell begins after these")
    parser.add_argument("--tiny", action="store_true", help="a tiny shape: does it run at all?")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", 0) if cuda else torch.device("cpu")
    options.gpu = torch.cuda.get_device_name() if cuda else None
    options.shape = "8b" if cuda and not options.tiny else "tiny"
    if options.shape == "tiny":
        options.rows, options.prefix, options.own_rows, options.peer_rows, options.steps = 4, 300, 4, 2, 1
    rows = make_rows(options.rows, options.prefix, 3072)
    console, found, began = Console(stderr=True, width=160), {}, time.monotonic()
    for quantization in options.quantizations:
        for way, attention in CELLS:
            name = f"{quantization} {way} {attention}"
            if time.monotonic() - began > 60 * options.minutes:
                found[name] = {"why": "no time was left"}
                continue
            if attention == "flex" and not cuda:
                found[name] = {"why": "FlexAttention trains on CUDA alone"}
                continue
            try:
                found[name] = measure(way, attention, quantization, rows, options, device)
            except Exception as error:  # out of memory, or no kernel: the other cells are worth having
                found[name] = {"why": (str(error).strip().partition("\n")[0] or type(error).__name__)[:160]}
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()
    show(found, console)
    shape = {
        key: getattr(options, key) for key in ("rows", "prefix", "own_rows", "peer_rows", "optim", "checkpointing")
    }
    summary = {"gpu": options.gpu, "shape": options.shape, **shape, "vs_packing": compare(found, options.quantizations)}
    if not cuda:
        summary["why"] = "there is no CUDA here: a tiny shape ran on the CPU, which says nothing of a GPU"
    print(json.dumps({**summary, "cells": found}))


def compare(found: dict[str, dict[str, Any]], quantizations: list[str]) -> dict[str, float]:
    """Examples a second of our fastest cell over packing's fastest."""
    ratios = {}
    for quantization in quantizations:
        best = {
            way: max(
                cell.get("examples_per_second", 0.0)
                for name, cell in found.items()
                if name.startswith(f"{quantization} {way}")
            )
            for way in ("packing", "ours")
        }
        if best["packing"]:
            ratios[quantization] = round(best["ours"] / best["packing"], 2)
    return ratios


if __name__ == "__main__":
    main()
