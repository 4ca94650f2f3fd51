"""What a model is shown."""

import jinja2
import pytest

from sqlft.card import Column, GlossaryTerm, Relation, SchemaCard, Table
from sqlft.prompts import hash_prompt, render_chat, render_prompt
from sqlft.recipe import Prompt

CARD = SchemaCard(
    tables=[
        Table(name="shop.orders", description="Every order", columns=[
            Column(name="id", type="UInt64", description="Its number"),
            Column(name="day", type="Date", min="2024-01-01", max="2024-12-31"),
            Column(name="state", type="String", values=["new", "paid"]),
        ]),
        Table(name="shop.bills", columns=[Column(name="order_id", type="UInt64")]),
    ],
    relations=[Relation(left="shop.bills.order_id", right="shop.orders.id")],
    glossary=[GlossaryTerm(term="paid order", meaning="it was paid", condition="state = 'paid'")],
)  # fmt: skip


def system(**prompt) -> str:
    return render_chat(CARD, "How many?", Prompt(**prompt))[0]["content"]


def test_the_question_is_handed_on_untouched():
    question = "How many «{{ orders }}» <|eot_id|>\n ?"
    assert render_chat(CARD, question, Prompt())[1] == {"role": "user", "content": question}


def test_the_answer_is_there_in_training_alone():
    assert [m["role"] for m in render_chat(CARD, "q", Prompt())] == ["system", "user"]
    assert render_chat(CARD, "q", Prompt(), sql="SELECT 1")[2] == {"role": "assistant", "content": "SELECT 1"}


def test_all_chats_about_one_database_begin_alike():
    assert render_chat(CARD, "one", Prompt())[0] == render_chat(CARD, "two", Prompt(), sql="SELECT 2")[0]


@pytest.mark.parametrize("prompt", [{}, {"card": "compact"}])
def test_tables_columns_types_values_and_joins_are_always_shown(prompt):
    text = system(**prompt)
    for part in (
        "shop.orders",
        "- id UInt64",
        "- day Date 2024-01-01 to 2024-12-31",
        "- state String = new, paid",
        "shop.bills.order_id = shop.orders.id",
    ):
        assert part in text


def test_descriptions_and_glossary_are_left_out_of_a_compact_card():
    full, compact = system(), system(card="compact")
    for part in ("Every order", "Its number", "paid order", "state = 'paid'"):
        assert part in full and part not in compact


def test_a_format_clause_is_asked_for_where_the_recipe_says_so():
    assert "FORMAT TabSeparatedWithNames" in system(format_clause=True)
    assert "FORMAT" not in system()


def test_declining_is_allowed_where_the_recipe_says_so_and_the_prompt_is_else_what_it_was():
    allowed, plain = system(decline=True), system()
    sentence = " If the tables cannot answer it, write one sentence that says so, and no SQL."
    assert allowed.replace(sentence, "") == plain and allowed.splitlines()[0].endswith(sentence)
    assert hash_prompt(CARD, Prompt()) == "c419336e131e6c92722149fb3787f3a17020a0770235a34cc88232bde276e302"
    asked = Prompt(card="compact", format_clause=True)
    assert hash_prompt(CARD, asked) == "3fffda2c9fc886415f5c1b4ca7cb7c18511173adcde464ea1e5074bef8c5102d"
    assert hash_prompt(CARD, Prompt(decline=True)) != hash_prompt(CARD, Prompt())


def test_a_value_that_a_prompt_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render_prompt("system", full=True, format_clause=False)
