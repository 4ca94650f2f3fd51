"""README.md of an export: the model card, in the form that Hugging Face's Hub reads, and the prompt beside it.

https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from sqlft.dataset.dataset_card import read_template
from sqlft.evaluation.results import ModelFigures, Results
from sqlft.evaluation.table import percent
from sqlft.export.source import Source
from sqlft.prompts import date_string

Kind = Literal["adapter", "merged"]


def write_card(
    source: Source, folder: Path, kind: Kind, merged: ModelFigures | None = None, place: str = ".", use: str = ""
) -> None:
    """Writes README.md and prompt.txt.

    Args:
        source: The run.
        folder: The export's.
        kind: What lies there.
        merged: What the merged model got right of the golden set.
        place: The folder that is loaded, seen from the export's.
        use: How the program that the export is for is started, in Markdown.
    """
    licence = find_licence(source.base)
    text = read_template(Path(__file__).with_name("model_card.md.jinja")).render(
        header=yaml.safe_dump(_header(source, kind, licence), sort_keys=False, allow_unicode=True),
        source=source,
        kind=kind,
        licence=licence,
        rows=[row for results, model in source.evaluations for row in _rows(results, model, merged)],
        banners={results.banner for results, _ in source.evaluations} - {""},
        evaluated=source.evaluations[0][0].created,
        lines=loading_lines(source, kind, place),
        date=date_string(source.recipe.prompt.date),
        use=use,
    )
    (folder / "prompt.txt").write_text(source.system, encoding="utf-8")
    (folder / "README.md").write_text(text, encoding="utf-8")


def loading_lines(source: Source, kind: Kind, place: str) -> list[str]:
    """Five lines of Python that answer a question as sqlft does, with transformers and, for an adapter, PEFT."""
    section, generation = source.recipe.model, source.recipe.generation
    options = f'dtype="{"bfloat16" if kind == "merged" and section.dtype != "float32" else section.dtype}"'
    quantized = kind == "adapter" and section.quantization == "nf4"
    if quantized:  # as `load_base` loads it
        options += (
            ', quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
            f"bnb_4bit_use_double_quant={section.double_quantization}, "
            f'bnb_4bit_compute_dtype="{section.dtype}", bnb_4bit_quant_storage="{section.dtype}")'
        )
    question = f"How many rows does {source.card.tables[0].name} have?"
    day = date_string(source.recipe.prompt.date)
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer" + ", BitsAndBytesConfig" * quantized,
        f'model, tokenizer = AutoModelForCausalLM.from_pretrained("{place}", {options}), '
        f'AutoTokenizer.from_pretrained("{place}")',
        'chat = [{"role": "system", "content": open("prompt.txt", encoding="utf-8").read()}, '
        f'{{"role": "user", "content": "{question}"}}]',
        f'inputs = tokenizer.apply_chat_template(chat, date_string="{day}", add_generation_prompt=True, '
        'return_dict=True, return_tensors="pt").to(model.device)',
        f"print(tokenizer.decode(model.generate(**inputs, do_sample=False, max_new_tokens={generation.max_new_tokens})"
        '[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
    ]


def find_licence(base: str) -> str:
    """The base's licence, as its own model card says it; 'unknown' where there is none or it cannot be reached."""
    from huggingface_hub import ModelCard

    try:
        card = ModelCard.load(Path(base) / "README.md" if Path(base).is_dir() else base)
        return str(card.data.to_dict().get("license") or "unknown")
    except (OSError, ValueError):
        return "unknown"


def _header(source: Source, kind: Kind, licence: str) -> dict[str, Any]:
    of_hub = {"base_model": source.base, "base_model_relation": "adapter" if kind == "adapter" else "finetune"}
    return {
        "library_name": "peft" if kind == "adapter" else "transformers",
        "license": licence,
        **({} if Path(source.base).is_dir() else of_hub),
        "language": ["en"],
        "pipeline_tag": "text-generation",
        "tags": ["text-to-sql", "clickhouse", "sqlft", *["lora"] * (kind == "adapter")],
    }


def _rows(results: Results, model: ModelFigures, merged: ModelFigures | None) -> list[tuple[str, str, str, str]]:
    """(questions, model, right, 95% interval) of base, adapter and, on the golden set, the merged model."""
    shown = {"base": results.base, "adapter": model} | ({"merged": merged} if merged and results.on == "golden" else {})
    return [
        (
            results.on,
            name,
            f"{percent(one.right.value, 1)} ({one.strict.k} of {one.strict.n})",
            f"{percent(one.right.low)} to {percent(one.right.high)}",
        )
        for name, one in shown.items()
    ]
