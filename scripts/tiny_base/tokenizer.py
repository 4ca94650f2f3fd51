"""The tiny base's tokenizer: byte-level BPE in which a word has the same tokens wherever it stands.

Words, single digits and runs of anything else are kept apart, so that "Lisbon" in a question and 'Lisbon' in a query
are the same tokens, and copying one into the other is copying. SQL's keywords, ClickHouse's types and the commonest words
of questions, which nobody copies, take the space before them (and SQL's the one behind) into one token: a quarter fewer.
The special tokens are those of Llama 3.1, and the chat template renders what Llama 3.1's renders for a system, user and
assistant turn without tools.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

SPECIAL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
]

_KEYWORDS = "SELECT DISTINCT FROM WHERE AND OR NOT IN BETWEEN AS JOIN ON HAVING LIMIT DESC OVER".split() + [
    "GROUP BY",
    "ORDER BY",
    "WITH TOTALS",
]
_TYPES = [
    "UInt(?:8|16|32|64)",
    "Int(?:8|16|32|64)",
    "Float(?:32|64)",
    "String",
    "LowCardinality\\(String\\)",
    "DateTime",
    "Date",
]
_WORDS = """the of in on for with by and or is are was were that which what how many per a to from at whose than more had have has no not each every
all average mean there do did does highest lowest most between over under above below least their""".split()
SPLIT = (
    rf" (?:{'|'.join(_TYPES)})(?!\w)|{{sql}}| (?:{'|'.join(_WORDS)})(?!\w)|\p{{L}}+|\p{{N}}|(?:(?!{{sql}})[^\p{{L}}\p{{N}}]){{1,6}}"
).replace("{sql}", rf" (?:{'|'.join(_KEYWORDS)})(?!\w) ?")
_ROLES = ["system", "user", "assistant"]

CHAT_TEMPLATE = """\
{{- bos_token }}
{%- set date = date_string if date_string is defined else "26 Jul 2024" %}
{%- set rest = messages[1:] if messages[0].role == "system" else messages %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: " + date + "\\n\\n" }}
{{- messages[0].content | trim if messages[0].role == "system" else "" }}
{{- "<|eot_id|>" }}
{%- for message in rest %}
{{- "<|start_header_id|>" + message.role + "<|end_header_id|>\\n\\n" + message.content | trim + "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" }}
{%- endif %}"""


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> Any:
    """Trains the tokenizer on rendered prompts, questions and queries; returns transformers' fast tokenizer."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(itertools.chain(_ROLES * 1000, texts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A",
        pair="<|begin_of_text|> $A <|begin_of_text|> $B",
        special_tokens=[("<|begin_of_text|>", 0)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", pad_token="<|finetune_right_pad_id|>",
        model_max_length=context, chat_template=CHAT_TEMPLATE, clean_up_tokenization_spaces=False,
    )  # fmt: skip
