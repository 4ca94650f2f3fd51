"""The tiny base: what is shipped, and the pre-training that made it."""

import random
from pathlib import Path

import pytest
import torch
from tiny_base.pretrain import encode_group, group_loss, stream
from tiny_base.questions import SHAPES, Writer
from tiny_base.schemas import random_schema, statements
from transformers import AutoTokenizer, LlamaForCausalLM

from sqlft.card import SchemaCard
from sqlft.database import Database

BASE = Path(__file__).parents[1] / "data" / "tiny-base"
SHOP = Path(__file__).parents[1] / "data" / "ecommerce" / "schema.yaml"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BASE)


def test_folder_is_at_most_8_mb():
    assert sum(f.stat().st_size for f in BASE.iterdir()) <= 8_000_000


def test_words_have_the_same_tokens_in_question_and_query(tokenizer):
    for word in ("Germany", "Netherlands", "Firefox", "Zaphqueland"):
        word_ids = tokenizer.encode(word, add_special_tokens=False)
        for text in (f"sessions from {word} in 2024", f"country = '{word}' AND", f"IN ('{word}', 'x')", f"{word}?"):
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert any(ids[i : i + len(word_ids)] == word_ids for i in range(len(ids))), (word, text)


def test_tokenizer_loses_nothing(tokenizer):
    for text in (
        "SELECT count() FROM a.b WHERE x = 'ÄÖ  日本' AND n >= 10.5",
        "a\n- b  c\t_d_",
        "  GROUP BY  GROUPING",
    ):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_template_renders_a_llama_3_1_chat(tokenizer):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": " Q "}]
    text = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, date_string="31 Dec 2024"
    )
    assert text == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: 31 Dec 2024\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert tokenizer.pad_token == "<|finetune_right_pad_id|>" and tokenizer.eos_token == "<|eot_id|>"


def test_shared_prefix_gives_the_loss_of_whole_rows(tokenizer):
    torch.manual_seed(0)
    model = LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    group = next(stream(tokenizer, random.Random(3), 5, lambda: 1.0))
    total, count = torch.zeros(()), 0
    for suffix, answer in zip(group.suffixes, group.answers, strict=True):
        ids = torch.tensor([group.prefix + suffix])
        labels = ids.clone()
        labels[:, : len(group.prefix) + answer] = -100
        total = total + model(ids, labels=labels).loss * (len(suffix) - answer)
        count += len(suffix) - answer
    assert torch.allclose(group_loss(model, group), total / count, rtol=1e-5)


def test_group_tokens_are_the_chat_templates_own(tokenizer):
    from sqlft.prompts import render_chat
    from sqlft.recipe import Prompt

    rng = random.Random(8)
    schema = random_schema(rng)
    pair = Writer(schema, rng).pair()
    group = encode_group(tokenizer, schema, [(pair.question, pair.sql)], "01 Jan 2025")
    chat = render_chat(schema.card, pair.question, Prompt(card="compact"), pair.sql)
    whole = tokenizer.apply_chat_template(chat, date_string="01 Jan 2025", return_dict=False)
    assert group.prefix + group.suffixes[0] == whole


def test_pretraining_never_meets_the_shop():
    shop = SchemaCard.load(SHOP)
    columns = {c.name for t in shop.tables for c in t.columns}
    values = {str(v) for t in shop.tables for c in t.columns for v in c.values or [] if isinstance(v, str)}
    rng = random.Random(1)
    for _ in range(500):
        for table in random_schema(rng).card.tables:
            assert table.name.split(".")[0] != "ecommerce" and table.name.split(".")[1] not in ("users", "sessions")
            for column in table.columns:
                assert column.name not in columns
                assert not values & {str(v) for v in column.values or []}


def test_every_shape_of_query_runs(tmp_path):
    rng, seen = random.Random(2), set()
    with Database.connect(f"chdb://{tmp_path}/db") as database:
        for _ in range(16):
            schema = random_schema(rng)
            database.command(f"DROP DATABASE IF EXISTS {schema.entity.name.split('.')[0]}")
            for statement in statements(schema, rng):
                database.command(statement)
            writer = Writer(schema, rng)
            for _ in range(40):
                pair = writer.pair()
                database.run(pair.sql)
                seen.add(pair.shape)
    assert seen == set(SHAPES)
