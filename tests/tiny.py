"""A random Llama of some thousand weights with Llama-3.1's special tokens and the effect of its chat template.

Random weights are what tests of loading, training and saving want: quick, and no ability to hide behind.
"""

from __future__ import annotations

from pathlib import Path

import pytest

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

TEMPLATE = """\
{{- bos_token }}
{%- if date_string is not defined %}{% set date_string = "26 Jul 2024" %}{% endif %}
{%- set given = messages[0]["role"] == "system" %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: " }}
{{- date_string + "\\n\\n" + (messages[0]["content"] | trim if given else "") + "<|eot_id|>" }}
{%- for message in (messages[1:] if given else messages) %}
{{- "<|start_header_id|>" + message["role"] + "<|end_header_id|>\\n\\n" + message["content"] | trim + "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}{{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" }}{% endif %}"""

TEXTS = [
    "Answer the question with one ClickHouse SELECT, and nothing else.",
    "shop.users: one row a user\n- user_id UInt64\n- country String = France, Germany\n- age UInt64 18 to 90",
    "How many users are there in France? What is the average age by country?",
    "SELECT count() FROM shop.users WHERE country = 'France'",
    "SELECT country, avg(age) FROM shop.users GROUP BY country ORDER BY country LIMIT 10",
    "Cutting Knowledge Date: December 2023\nToday Date: 31 Dec 2024\n\nsystem user assistant",
]


def make_tiny(folder: Path, *, seed: int = 0, hidden: int = 32, layers: int = 2, context: int = 1024) -> Path:
    """Writes model and tokenizer to `folder`, 256 ids wide at the most."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    begin = (SPECIAL[0], bpe.token_to_id(SPECIAL[0]))
    bpe.post_processor = processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=SPECIAL[0], eos_token="<|eot_id|>", pad_token="<|finetune_right_pad_id|>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny-base"))
