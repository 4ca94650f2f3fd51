"""A Modelfile over base and adapter, with the prompt, template and decoding that were trained and measured.

https://docs.ollama.com/modelfile
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlft.export.card import write_card
from sqlft.export.source import Source, new_folder
from sqlft.inference.load import load_tokenizer
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import date_string

ADAPTER = "adapter"
CONTEXT = 8192
"""Tokens of prompt and answer; Ollama's own default cuts a prompt without a word."""


def export_ollama(source: Source, folder: Path) -> None:
    """Writes Modelfile, adapter and card.

    Raises:
        WrongUse: The folder is there, or the prompt cannot be written into a Modelfile.
    """
    with new_folder(folder) as partial:
        source.copy_adapter(partial / ADAPTER)
        (partial / "Modelfile").write_text(render_modelfile(source), encoding="utf-8")
        use = (
            f"`ollama create {source.name}`, then `ollama run {source.name}`, in this folder. The prompt, the chat "
            "template and greedy decoding are in the Modelfile; Ollama holds the base in its own precision, which the "
            "figures below do not measure."
        )
        write_card(source, partial, "adapter", place=ADAPTER, use=use)


def render_modelfile(source: Source) -> str:
    """The Modelfile's text."""
    tokenizer, generation = load_tokenizer(source.adapter), source.recipe.generation
    if '"""' in source.system:
        why = 'it has """ in it, which ends a text in a Modelfile'
        raise WrongUse(Problem(str(source.recipe.schema_), "prompt", why, "Describe it in other words."))
    local = Path(source.base).is_dir()
    return "\n".join(
        [
            f"# {source.name}: made by sqlft, for `ollama create {source.name}`",
            *([] if local else [f"# the base, once: hf download {source.base} --local-dir base"]),
            f"FROM {source.base if local else './base'}",
            f"ADAPTER ./{ADAPTER}",
            f'TEMPLATE """{go_template(tokenizer, date_string(source.recipe.prompt.date))}"""',
            f'SYSTEM """{source.system}"""',
            f"PARAMETER temperature {generation.temperature:g}",
            f"PARAMETER top_p {generation.top_p:g}",
            "PARAMETER top_k 0",
            "PARAMETER repeat_penalty 1",
            f"PARAMETER num_ctx {CONTEXT}",
            f"PARAMETER num_predict {generation.max_new_tokens}",
            f'PARAMETER stop "{tokenizer.eos_token}"',
            "",
        ]
    )


def go_template(tokenizer: Any, day: str) -> str:
    """The chat template as Go's, made by rendering a chat of Go's variables on the recipe's day.

    The BOS is left out, since Ollama writes one itself (a second one: trl #1400). Where the system message has a turn
    of its own, that stands in the first round of a conversation alone.
    """
    turns = [{"role": "system", "content": "{{ .System }}"}, {"role": "user", "content": "{{ .Prompt }}"}]
    head, whole = (
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=ask, date_string=day).removeprefix(
            tokenizer.bos_token or ""
        )
        for chat, ask in ((turns[:1], False), (turns, True))
    )
    if whole.startswith(head):
        whole = "{{ if .System }}" + head + "{{ end }}" + whole[len(head) :]
    return whole + "{{ .Response }}" + tokenizer.eos_token
