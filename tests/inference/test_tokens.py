import datetime

import pytest

from sqlft.inference.load import load_tokenizer
from sqlft.inference.tokens import summarize_lengths, tokenize_chats
from sqlft.problems import WrongUse
from tests.tiny import TEMPLATE, make_tiny

DATE = datetime.date(2024, 12, 31)
SYSTEM = {"role": "system", "content": "shop.users: one row a user"}


@pytest.fixture
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


def chat(question, sql=None):
    return [SYSTEM, {"role": "user", "content": question}] + (
        [{"role": "assistant", "content": sql}] if sql is not None else []
    )


def tokenize(tokenizer, *chats, context=1024, room=0):
    return tokenize_chats(tokenizer, chats, [f"q{i}" for i in range(len(chats))], DATE, context, room)


def refusal(tokenizer, *chats, **limits):
    with pytest.raises(WrongUse) as caught:
        tokenize(tokenizer, *chats, **limits)
    return str(caught.value)


def test_one_bos_the_pinned_date_and_the_end_token_last(tokenizer):
    (row,) = tokenize(tokenizer, chat("How many?", "SELECT count() FROM t"))
    whole = row.prompt + row.completion
    assert whole.count(tokenizer.bos_token_id) == 1 and whole[0] == tokenizer.bos_token_id
    assert "Today Date: 31 Dec 2024" in tokenizer.decode(row.prompt)
    assert tokenizer.decode(row.completion) == "SELECT count() FROM t<|eot_id|>"
    assert row.completion[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_turns_before_the_last_belong_to_the_prompt_whether_it_is_answered_or_not(tokenizer):
    shown = [*chat("How many?", "SELECT 7"), {"role": "user", "content": "And in France?"}]
    (asked,) = tokenize(tokenizer, shown)
    (answered,) = tokenize(tokenizer, [*shown, {"role": "assistant", "content": "SELECT 8"}])
    assert asked.prompt == answered.prompt and "SELECT 7" in tokenizer.decode(asked.prompt)
    assert tokenizer.decode(answered.completion) == "SELECT 8<|eot_id|>"


def test_training_and_inference_see_the_same_prompt(tokenizer):
    (asked,), (answered,) = tokenize(tokenizer, chat("How many?")), tokenize(tokenizer, chat("How many?", "SELECT 1"))
    assert asked.prompt == answered.prompt and asked.completion == []


def test_the_ids_are_the_whole_text_tokenised_at_once(tokenizer):
    conversation = chat("How many?", "SELECT count() FROM t")
    (row,) = tokenize(tokenizer, conversation)
    text = tokenizer.apply_chat_template(conversation, tokenize=False, date_string="31 Dec 2024")
    assert row.prompt + row.completion == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer(text)["input_ids"].count(tokenizer.bos_token_id) == 2  # the trap


def test_rows_that_are_too_long_are_all_named_and_none_is_cut(tokenizer):
    fits, long = chat("How many?", "SELECT 1"), chat("How many? " * 50, "SELECT 1")
    (row,) = tokenize(tokenizer, fits)
    text = refusal(tokenizer, long, fits, long, context=len(row))
    assert text.count("and no row is cut") == 2 and "example q0" in text and "example q2" in text
    (longer,) = tokenize(tokenizer, long)
    assert f"{len(longer)} tokens do not fit into the context of {len(row)}" in text
    assert "and 1 for the answer" in refusal(tokenizer, fits, context=len(row), room=1)


@pytest.mark.parametrize("token", ["<|eot_id|>", "<|begin_of_text|>", "<|python_tag|>"])
def test_a_special_token_in_a_question_is_refused(tokenizer, token):
    assert f"special token {token}" in refusal(tokenizer, chat(f"How {token} many?"))


def test_an_empty_answer_is_refused(tokenizer):
    assert "the answer is empty" in refusal(tokenizer, chat("How many?", " "))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (TEMPLATE.replace("{{- bos_token }}", "{{- bos_token + bos_token }}"), "2 <|begin_of_text|> instead of one"),
        (TEMPLATE.replace("{{- bos_token }}", ""), "0 <|begin_of_text|> instead of one"),
        (TEMPLATE.replace('| trim + "<|eot_id|>" }}', '| trim + "<|end_of_text|>" }}'), "never learn to stop"),
        (
            TEMPLATE.replace('"<|start_header_id|>assistant<', '"<|start_header_id|>model<'),
            "no prefix of prompt and answer",
        ),
    ],
)
def test_a_template_that_breaks_a_rule_is_found_out(tokenizer, broken, why):
    assert broken != TEMPLATE
    tokenizer.chat_template = broken
    assert why in refusal(tokenizer, chat("How many?", "SELECT 1"))


def test_blanks_after_the_end_token_are_not_learned(tokenizer):
    (row,) = tokenize(tokenizer, chat("How many?", "SELECT 1"))
    tokenizer.chat_template = TEMPLATE.replace('| trim + "<|eot_id|>" }}', '| trim + "<|eot_id|>\\n" }}')
    (other,) = tokenize(tokenizer, chat("How many?", "SELECT 1"))
    assert other.completion == row.completion and len(other.prompt) > len(row.prompt)


def test_lengths_are_summed_up(tokenizer):
    rows = tokenize(tokenizer, chat("How many?", "SELECT 1"), chat("How many users?", "SELECT 2"))
    found = summarize_lengths(rows)
    assert found["rows"] == 2 and found["tokens"] == sum(map(len, rows))
    assert found["shortest"] == min(map(len, rows)) < max(map(len, rows)) == found["longest"]
    assert found["supervised"] == sum(len(row.completion) for row in rows)


def test_no_chats_are_no_rows(tokenizer):
    assert tokenize(tokenizer) == []


def test_pad_equal_to_the_end_token_is_refused_and_llamas_pad_is_found(tmp_path):
    from transformers import AutoTokenizer

    folder = make_tiny(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    assert load_tokenizer(folder).pad_token == "<|finetune_right_pad_id|>"
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    with pytest.raises(WrongUse, match="teaches a model never to stop"):
        load_tokenizer(folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(WrongUse, match="no chat template"):
        load_tokenizer(folder)
