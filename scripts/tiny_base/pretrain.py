"""Pre-training of the tiny base: one schema prompt, many question/query suffixes, on the CPU, for so many minutes.

The prompt is read once per schema: its keys and values serve every suffix, which is the same computation as a batch of
whole rows (test_tiny_base checks it against transformers) for about half of the work. Matrices are trained with Muon
(Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), the rest with AdamW.

Copying names from the prompt is what a small model learns last: without help, syntax is perfect after ten minutes and
names are guessed after forty. Two things help: value and output projections that begin near the identity (after Trockman
and Kolter 2023, "Mimetic initialization of self-attention layers"), and a side task of copying lists of random tokens.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sqlft.prompts import render_chat
from sqlft.recipe import Prompt
from tiny_base.questions import Writer
from tiny_base.schemas import Schema, random_schema


@dataclass(frozen=True)
class Group:
    """One schema's tokens: the shared prefix, and each suffix with the place where its answer begins."""

    prefix: list[int]
    suffixes: list[list[int]]
    answers: list[int]


def encode_group(tokenizer: Any, schema: Schema, pairs: list[tuple[str, str]], date: str) -> Group:
    """Tokenises chats about one schema exactly as the chat template renders them."""
    rendered = [
        tokenizer.apply_chat_template(
            render_chat(schema.card, question, Prompt(card="compact"), sql), tokenize=False, date_string=date
        )
        for question, sql in pairs
    ]
    cut = rendered[0].index("<|start_header_id|>user")
    marker = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    prefix = tokenizer.encode(rendered[0][:cut], add_special_tokens=False)
    heads, tails = zip(*(text[cut:].split(marker) for text in rendered), strict=True)
    heads_ids = tokenizer([h + marker for h in heads], add_special_tokens=False)["input_ids"]
    tails_ids = tokenizer(list(tails), add_special_tokens=False)["input_ids"]
    return Group(prefix, [h + t for h, t in zip(heads_ids, tails_ids, strict=True)], [len(h) for h in heads_ids])


def group_loss(model: Any, group: Group, dtype: torch.dtype = torch.float32) -> Tensor:
    """Mean cross entropy of the answers' tokens of one group; the prefix is computed once.

    The group is one sequence: the prefix, then the suffixes side by side, each of which sees the prefix and itself.
    `model` is a LlamaForCausalLM, of which only the weights are used; its matrices are multiplied in `dtype`.
    """
    config = model.config
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    start, whole = len(group.prefix), len(group.prefix) + sum(map(len, group.suffixes))
    blank = -whole % 64  # kernels are made for each new shape: a few lengths only
    lengths = torch.tensor([*map(len, group.suffixes), blank])
    positions = torch.cat([torch.arange(start), *(start + torch.arange(n) for n in lengths)])
    owner = torch.cat(
        [torch.zeros(start, dtype=torch.long), torch.repeat_interleave(1 + torch.arange(len(lengths)), lengths)]
    )
    seen = ((owner[None] == 0) | (owner[None] == owner[:, None])) & (positions[None] <= positions[:, None])
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, float("-inf"))
    angles = positions[:, None] * _frequencies(config, size)[None]
    cos, sin = (f(angles).repeat(1, 2)[:, None].to(dtype) for f in (torch.cos, torch.sin))

    ids = torch.tensor([*group.prefix, *(t for s in group.suffixes for t in s), *[0] * blank])
    hidden = F.embedding(ids, model.model.embed_tokens.weight)
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        normed = _norm(hidden, layer.input_layernorm).to(dtype)
        q, k, v = (
            _linear(normed, attention.q_proj, attention.k_proj, attention.v_proj)
            .view(len(normed), 3, heads, size)
            .unbind(1)
        )
        q, k, v = (t.transpose(0, 1) for t in (_rotate(q, cos, sin), _rotate(k, cos, sin), v))
        scores = torch.baddbmm(mask.expand(heads, -1, -1), q, k.transpose(1, 2), alpha=size**-0.5)
        mixed = torch.bmm(scores.softmax(-1), v).transpose(0, 1).flatten(1)
        hidden = hidden + _linear(mixed, attention.o_proj)
        normed = _norm(hidden, layer.post_attention_layernorm).to(dtype)
        gate, up = _linear(normed, mlp.gate_proj, mlp.up_proj).chunk(2, -1)
        hidden = hidden + _linear(F.silu(gate) * up, mlp.down_proj)

    at, target, place = [], [], start
    for suffix, answer in zip(group.suffixes, group.answers, strict=True):
        at += range(place + answer - 1, place + len(suffix) - 1)
        target += suffix[answer:]
        place += len(suffix)
    spare = -len(at) % 64
    at, target = at + [0] * spare, target + [-100] * spare
    logits = _linear(_norm(hidden[torch.tensor(at)], model.model.norm).to(dtype), model.model.embed_tokens)
    return F.cross_entropy(logits.float(), torch.tensor(target))


def _linear(x: Tensor, *modules: Any) -> Tensor:
    """The modules' outputs side by side, from one product."""
    return F.linear(x, torch.cat([m.weight for m in modules]).to(x.dtype))


def _frequencies(config: Any, size: int) -> Tensor:
    return 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, size, 2) / size)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    one, two = x.chunk(2, -1)
    return x * cos + torch.cat([-two, one], -1) * sin


def _norm(x: Tensor, norm: Any) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal by five Newton-Schulz steps in `dtype`; for matrices only."""

    def __init__(self, parameters: list[Tensor], lr: float, dtype: torch.dtype, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "dtype": dtype, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                buffer = self.state[weight].setdefault("buffer", torch.zeros_like(weight))
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = _orthogonal(weight.grad.lerp(buffer, group["momentum"]), group["dtype"])
                weight.mul_(1 - group["lr"] * 0.05).add_(
                    update, alpha=-group["lr"] * max(1, weight.shape[0] / weight.shape[1]) ** 0.5
                )


def _orthogonal(g: Tensor, dtype: torch.dtype) -> Tensor:
    tall = g.shape[0] > g.shape[1]
    x = ((g.T if tall else g) / (g.norm() + 1e-7)).to(dtype)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).to(g.dtype)


def stream(tokenizer: Any, rng: random.Random, suffixes: int, share: Callable[[], float]) -> Iterator[Group]:
    """Groups without end; the first tenth of the training (`share()` < 0.1) sees small schemas more often."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    while True:
        schema = random_schema(rng, small=rng.random() < (0.7 if share() < 0.1 else 0.1))
        writer = Writer(schema, rng)
        date = f"{rng.randint(1, 28):02d} {rng.choice(months)} {rng.randint(2020, 2026)}"
        yield encode_group(
            tokenizer, schema, [(p.question, p.sql) for p in (writer.pair() for _ in range(suffixes))], date
        )


def begin_near_identity(model: Any) -> None:
    """Lets attention begin as a copier: each layer's value and output projections near a multiple of the identity."""
    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            for projection, noise in (("q_proj", 0.03), ("k_proj", 0.03), ("v_proj", 0.01), ("o_proj", 0.01)):
                weight = getattr(attention, projection).weight
                weight.copy_(0.7 * torch.eye(len(weight)) + noise * torch.randn_like(weight))


def copying_group(tokenizer: Any, rng: random.Random, rows: int) -> Group:
    """Rows of random tokens that are said twice: as they were, or as a list of names in another order."""
    first, end = len(tokenizer.all_special_ids) + 8, len(tokenizer)
    comma, line = (tokenizer.encode(text, add_special_tokens=False) for text in (", ", "\n\n"))
    suffixes, answers = [], []
    for _ in range(rows):
        if rng.random() < 0.5:
            names = [[rng.randrange(first, end) for _ in range(rng.randint(4, 14))]]
        else:
            names = [[rng.randrange(first, end) for _ in range(rng.randint(1, 4))] for _ in range(rng.randint(3, 6))]
        given = [token for name in names for token in name + comma] + line
        rng.shuffle(names)
        suffixes.append(given + [token for name in names for token in name + comma])
        answers.append(len(given))
    return Group([tokenizer.bos_token_id], suffixes, answers)


def pretrain(
    model: Any,
    tokenizer: Any,
    minutes: float,
    seed: int,
    save: Callable[[], None],
    log: Callable[[str], None],
    groups: int = 4,
    suffixes: int = 5,
    copies: int = 20,
    rate: float = 0.01,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """Trains for `minutes` of wall time: warm-up over 2%, constant, then linear decay to zero over the last 45%.

    Muon's rate is `rate`, AdamW's three tenths of it; products are taken in `dtype`. In a process group, each process reads its own `groups` and `copies` a step, and the gradients' mean is taken; the
    first one's clock and file count.

    Returns:
        steps, examples, tokens, seconds and the last losses' mean.
    """
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizers = [
        Muon(matrices, rate, dtype),
        torch.optim.AdamW(others, lr=0.3 * rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rates = [o.param_groups[0]["lr"] for o in optimizers]
    begin = saved = time.monotonic()
    share = lambda: (time.monotonic() - begin) / (60 * minutes)  # noqa: E731
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    rng = random.Random(seed * processes + rank)
    source, recent = stream(tokenizer, rng, suffixes, share), []
    steps = tokens = 0
    while True:
        loss = 0.0
        for _ in range(groups):
            group = next(source)
            part = group_loss(model, group, dtype) / groups
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
            tokens += len(group.prefix) + sum(map(len, group.suffixes))
        (0.5 * group_loss(model, copying_group(tokenizer, rng, copies), dtype)).backward()  # type: ignore[no-untyped-call]
        loss, done = _agree(model, loss, share())
        if done >= 1:
            break
        if not math.isfinite(loss):
            raise RuntimeError(f"loss is {loss} at step {steps}")
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scale = min(1, done / 0.02 + 0.05, (1 - done) / 0.45)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * scale
            optimizer.step()
            optimizer.zero_grad()
        recent = [*recent[-99:], loss]
        if steps % 100 == 0 and rank == 0:
            seconds = time.monotonic() - begin
            log(
                f"step {steps}  loss {sum(recent) / len(recent):.4f}  {processes * tokens / max(seconds, 1):.0f} tokens/s  {seconds / 60:.1f} of {minutes:.0f} min"
            )
        steps += 1
        if time.monotonic() - saved > 300 and rank == 0:
            save()
            saved = time.monotonic()
    return {
        "steps": steps,
        "examples": steps * processes * groups * suffixes,
        "tokens": processes * tokens,
        "seconds": time.monotonic() - begin,
        "loss": sum(recent) / len(recent),
    }


def _agree(model: Any, loss: float, done: float) -> tuple[float, float]:
    """Gradients and loss become the processes' mean, and `done` the first one's."""
    if not dist.is_initialized():
        return loss, done
    gradients = [p.grad for p in model.parameters()]
    numbers = torch.tensor([loss, done if dist.get_rank() == 0 else 0.0])
    flat = torch.cat([*(g.flatten() for g in gradients), numbers])
    dist.all_reduce(flat)
    done = float(flat[-1])
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([*map(torch.numel, gradients), 2])[:-1], strict=True):
        gradient.copy_(mean.view_as(gradient))
    return float(flat[-2]), done


def write(model: Any, tokenizer: Any, folder: Path) -> None:
    """Saves model (bfloat16) and tokenizer as transformers does."""
    import copy

    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
