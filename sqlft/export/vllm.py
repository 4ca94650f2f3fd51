"""What serves an adapter with vLLM: the command, and a service for Docker Compose.

`sqlft evaluate --endpoint` finds base and adapter there under the names that it asks for. docker/compose.yaml holds the
same service for the large recipe; a test keeps the two alike.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from sqlft.export.card import write_card
from sqlft.export.source import Source, new_folder
from sqlft.problems import Problem, WrongUse

ADAPTER = "adapter"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank may be (vllm/config/lora.py)."""
CONTEXT = 8192


def export_vllm(source: Source, folder: Path) -> None:
    """Writes serve.sh, compose.yaml, adapter and card.

    Raises:
        WrongUse: The folder is there, or the adapter's rank is more than vLLM can serve.
    """
    with new_folder(folder) as partial:
        source.copy_adapter(partial / ADAPTER)
        words = shlex.join(["vllm", "serve", source.base, *serve_options(source, ADAPTER)])
        script = partial / "serve.sh"
        script.write_text(f'#!/bin/sh\ncd "$(dirname "$0")" && exec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        service = {"services": {"vllm": compose_service(source)}, "volumes": {"models": None}}
        (partial / "compose.yaml").write_text(yaml.safe_dump(service, sort_keys=False), encoding="utf-8")
        use = (
            "`./serve.sh` where vLLM is installed, or `docker compose up --wait`. Either answers at "
            f"http://127.0.0.1:8000/v1, the adapter as `{source.name}`. Send prompt.txt as the system message, "
            "temperature 0, and the date of the prompt below as `chat_template_kwargs.date_string`."
        )
        write_card(source, partial, "adapter", place=ADAPTER, use=use)


def serve_options(source: Source, adapter: str) -> list[str]:
    """The options of `vllm serve` beside the model.

    Args:
        source: The run.
        adapter: Where the server finds the adapter's folder.
    """
    section = source.recipe.model
    most = max([source.config["r"], *source.config.get("rank_pattern", {}).values()])
    rank = next((rank for rank in RANKS if rank >= most), None)
    if rank is None:
        why = f"vLLM serves ranks up to {RANKS[-1]}"
        raise WrongUse(Problem(str(source.adapter), f"rank {most}", why, "Train with a smaller lora.r, or --merged."))
    return [
        *([f"--served-model-name={section.base}"] if Path(source.base).is_dir() else []),
        *([f"--revision={section.revision}"] if section.revision else []),
        f"--tokenizer={adapter}",  # its chat template too: what the adapter was trained with
        *(["--quantization=bitsandbytes"] if section.quantization == "nf4" else []),
        f"--dtype={section.dtype}",
        "--generation-config=vllm",  # or the model's own temperature and penalties would bend our decoding
        "--enable-lora",
        f"--max-lora-rank={rank}",
        f"--lora-modules={source.name}={adapter}",
        "--enable-prefix-caching",  # the schema is read once
        "--enable-prompt-tokens-details",
        f"--max-model-len={CONTEXT}",
    ]


def compose_service(source: Source) -> dict[str, Any]:
    """The service, for a machine with an NVIDIA GPU; it is reached from this machine alone."""
    local = Path(source.base).is_dir()
    model = "/base" if local else source.base
    health = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"
    return {
        "image": "vllm/vllm-openai:${VLLM_VERSION:-v0.19.1}",
        "command": [
            f"--model={model}",
            *serve_options(source, f"/{ADAPTER}"),
            "--gpu-memory-utilization=${VLLM_MEMORY:-0.9}",
        ],
        "environment": {"HF_TOKEN": None, "HF_HOME": "/models"},
        "ports": ["127.0.0.1:8000:8000"],
        "volumes": ["models:/models", f"./{ADAPTER}:/{ADAPTER}:ro", *[f"{source.base}:/base:ro"] * local],
        "shm_size": "8gb",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", health],
            "interval": "10s",
            "start_period": "15m",
            "retries": 5,
        },
        "deploy": {
            "resources": {"reservations": {"devices": [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]}}
        },
    }
