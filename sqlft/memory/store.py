"""A memory's folder: memory.json, which says what there is, and the experts as safetensors.

memory.json names the experts' file and is replaced in one step, last, so that what is read is always whole: the memory
of before, or the one of after. The experts are mapped, not loaded: a row is read when a question opens it.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sqlft.inference import LocalModel
from sqlft.inference.load import hash_base, hash_file
from sqlft.memory.bank import Own, ProductKeys, Rows, Shape
from sqlft.memory.conductor import Conductor
from sqlft.memory.facts import Fact
from sqlft.memory.memory import Memory
from sqlft.memory.purpose import Purpose
from sqlft.memory.router import Router, make_embed
from sqlft.problems import Problem, WrongUse

CHUNK = 4096


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[2]
    base: str
    base_sha256: str
    quantization: str
    adapter_sha256: str
    experts: str
    conductor: str = ""
    fitted: bool = False
    shape: Literal["experts", "product_keys"]
    side: int = 0
    retrieved: int = 0
    after: int = 0
    taken: dict[str, int | list[int]]
    row: tuple[int, int, int, int]
    layers: list[int]
    most: int
    threshold: float
    rarest: float
    rarity: dict[str, float]
    cores: dict[str, dict[str, float]]
    odds: dict[str, float] = {}
    border: float = -math.inf
    exact: list[str]
    left: list[str] = []
    facts: list[Fact]


def save_memory(memory: Memory, model: LocalModel, folder: Path, adapter: str | None = None) -> None:
    """Writes a memory that was made beside `model`, and beside this adapter of it where it was one.

    Raises:
        OSError: The folder cannot be written; what was there before is still whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"experts-{uuid.uuid4().hex[:12]}.safetensors"
    write_rows(memory.rows, file)
    kept, shape = {file.name}, memory.shape
    if memory.conductor:
        kept.add(conductor := f"conductor-{uuid.uuid4().hex[:12]}.safetensors")
        weights = {name: weight.detach().cpu() for name, weight in memory.conductor.weights.items()}
        with (folder / conductor).open("wb") as out:
            out.write(save(weights))
            out.flush()
            os.fsync(out.fileno())
    manifest = _Manifest(
        format=2,  # said, or that of another version could not be told from it
        base=model.base.name,
        base_sha256=hash_base(model.base.folder),
        quantization=model.base.quantization,
        adapter_sha256=_hash_adapter(model.adapters[adapter]) if adapter else "",
        experts=file.name,
        conductor=conductor if memory.conductor else "",
        fitted=bool(memory.conductor and memory.conductor.fitted),
        shape=shape.kind,
        **({"after": shape.after} if isinstance(shape, Own) else {"side": shape.side, "retrieved": shape.retrieved}),
        taken=shape.taken,
        row=memory.rows.shape,
        layers=memory.layers,
        most=memory.most,
        threshold=memory.router.threshold,
        rarest=memory.router.rarest,
        rarity=memory.router.rarity,
        cores=memory.router.cores,
        odds=memory.router.purpose.odds,
        border=memory.router.purpose.border,
        exact=sorted(memory.exact),
        left=sorted(memory.left),
        facts=list(memory.facts.values()),
    )
    partial = folder / "memory.json.partial"
    with partial.open("w", encoding="utf-8") as out:
        out.write(manifest.model_dump_json(exclude_defaults=True))
        out.flush()
        os.fsync(out.fileno())
    partial.replace(folder / "memory.json")
    memory.rows = map_rows(memory.rows.shape, file)
    for old in folder.glob("*.safetensors"):
        if old.name not in kept:
            old.unlink()


def load_memory(model: LocalModel, folder: Path | str) -> Memory:
    """Puts the memory in `folder` beside a model: `model.generate(…, memory=True)` recalls its facts.

    Raises:
        WrongUse: There is none, it is broken, or it was made for another base or adapter than the model has.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    if manifest.base_sha256 != hash_base(model.base.folder):
        why = f"it was made beside {manifest.base}, and {model.base.name} has other weights"
        raise WrongUse(Problem(str(folder), "memory", why, "Load that base, or move it away and memorize anew."))
    if manifest.quantization != model.base.quantization:
        why = (
            f"it was made at quantization {manifest.quantization}, and the base is loaded at {model.base.quantization}"
        )
        raise WrongUse(Problem(str(folder), "memory", why, f"Write model.quantization: {manifest.quantization}."))
    own: dict[str, str | None] = {_hash_adapter(adapter): name for name, adapter in model.adapters.items()} | {"": None}
    if manifest.adapter_sha256 not in own:
        why = "it was made beside an adapter that is not loaded, or has been trained since"
        raise WrongUse(Problem(str(folder), "memory", why, "Load that adapter, or move it away and memorize anew."))
    shape: Shape
    if manifest.shape == "experts":
        shape = Own({name: n for name, n in manifest.taken.items() if isinstance(n, int)}, manifest.after)
    else:
        taken = {name: numbers for name, numbers in manifest.taken.items() if isinstance(numbers, list)}
        shape = ProductKeys(manifest.side, manifest.retrieved, taken=taken)
    embed = make_embed(model.base.model, model.base.tokenizer)
    purpose = Purpose(manifest.odds, manifest.border)
    router = Router(embed, manifest.threshold, manifest.rarity, manifest.rarest, manifest.cores, purpose)
    rows = map_rows(manifest.row, folder / manifest.experts)
    facts = {fact.id: fact for fact in manifest.facts}
    conductor = _load_conductor(folder / manifest.conductor, manifest.fitted) if manifest.conductor else None
    model.memory = Memory(facts, router, shape, rows, manifest.layers, manifest.most, set(manifest.exact), conductor)
    model.memory.left = set(manifest.left)
    model.beside = own[manifest.adapter_sha256]
    return model.memory


class Held(NamedTuple):
    """A fact in a memory: whether it is recalled without error, and whether its uses are left to the model."""

    fact: Fact
    exact: bool
    left: bool


def list_facts(folder: Path) -> list[Held]:
    """The facts that the memory in a folder holds; loads no model.

    Raises:
        WrongUse: There is no memory, or it is broken.
    """
    manifest = _read_manifest(folder)
    exact, left = set(manifest.exact), set(manifest.left)
    return [Held(fact, fact.id in exact, fact.id in left) for fact in manifest.facts]


def is_beside(folder: Path, adapter: Path) -> bool:
    """Whether the memory in a folder was made beside this adapter.

    Raises:
        WrongUse: There is no memory, or it is broken.
    """
    return _read_manifest(folder).adapter_sha256 == _hash_adapter(adapter)


def _read_manifest(folder: Path) -> _Manifest:
    try:
        return _Manifest.model_validate_json((folder / "memory.json").read_text(encoding="utf-8"))
    except OSError as error:
        write = "Write a folder that `sqlft memorize` made."
        raise WrongUse(Problem(str(folder), "memory", "there is no memory.json in it", write)) from error
    except (ValidationError, ValueError) as error:
        raise WrongUse(Problem(str(folder), "memory.json", "it is not what `sqlft memorize` writes")) from error


def _load_conductor(file: Path, fitted: bool) -> Conductor:
    try:
        return Conductor(**load_file(file), fitted=fitted)
    except (OSError, SafetensorError, TypeError) as error:
        raise WrongUse(
            Problem(str(file), "memory", "its conductor is missing or cut short", "Memorize anew.")
        ) from error


def _hash_adapter(folder: Path) -> str:
    return hash_file(next(folder.glob("adapter_model.*")))


def write_rows(rows: Rows, file: Path) -> None:
    """safetensors, written some rows at a time: a bank may be larger than memory."""
    numbers = rows.numbers
    size = 4 * math.prod(rows.shape) * len(numbers)
    header = json.dumps(
        {
            "ids": {"dtype": "I64", "shape": [len(numbers)], "data_offsets": [0, 8 * len(numbers)]},
            "experts": {
                "dtype": "F32",
                "shape": [len(numbers), *rows.shape],
                "data_offsets": [8 * len(numbers), 8 * len(numbers) + size],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    with file.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.write(np.array(numbers, dtype=np.int64).tobytes())
        for start in range(0, len(numbers), CHUNK):
            out.write(rows.read(numbers[start : start + CHUNK]).numpy().tobytes())
        out.flush()
        os.fsync(out.fileno())


def map_rows(shape: tuple[int, int, int, int], file: Path) -> Rows:
    """The rows in a file, mapped.

    Raises:
        WrongUse: The file is missing or cut short.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > file.stat().st_size:
                raise ValueError("its header is cut")
            header: dict[str, Any] = json.loads(stream.read(length))
        count = header["ids"]["shape"][0]
        ids = np.memmap(file, np.int64, "r", 8 + length, (count,)) if count else np.zeros(0, np.int64)
        start = 8 + length + header["experts"]["data_offsets"][0]
        values = np.memmap(file, np.float32, "r", start, (count, *shape)) if count else None
    except (OSError, ValueError, KeyError) as error:
        raise WrongUse(
            Problem(str(file), "memory", "its experts are missing or cut short", "Memorize anew.")
        ) from error
    return Rows(shape, torch.from_numpy(np.array(ids)), values, torch.arange(count))
