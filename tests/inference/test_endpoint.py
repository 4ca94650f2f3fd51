import asyncio
import email.utils
import time

import pytest
from pydantic import BaseModel

from sqlft.inference.endpoint import ATTEMPTS_UNREACHED, CLIENTS, Endpoint, MalformedAnswer, ask_all, run_async
from sqlft.inference.prices import Meter, price_of
from sqlft.problems import SqlftError, WrongUse
from tests.openai_stub import Fault, OpenAIStub


class Word(BaseModel):
    word: str


CHAT = [{"role": "user", "content": "Say a word."}]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Endpoint, "backoff", 0.002)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def ask(stub, model="gpt-4o", **options):
    async def once():
        async with Endpoint(model, stub.url, **options) as endpoint:
            return await endpoint.ask(CHAT, schema=Word, temperature=0.5), endpoint

    return run_async(once())


def hello(_body):
    return {"word": "hello"}


def test_asks_for_structured_output_and_counts_what_it_cost():
    with OpenAIStub(hello, tokens=(2000, 100)) as stub:
        answer, endpoint = ask(stub)
    assert answer.value.word == "hello"
    (body,) = stub.requests
    assert body["temperature"] == 0.5
    assert body["response_format"]["json_schema"] == {
        "name": "Word",
        "strict": True,
        "schema": {
            "title": "Word",
            "type": "object",
            "additionalProperties": False,
            "properties": {"word": {"title": "Word", "type": "string"}},
            "required": ["word"],
        },
    }
    assert answer.cost.dollars == pytest.approx(2000 * 2.5e-6 + 100 * 10e-6)
    assert (endpoint.meter.prompt_tokens, endpoint.meter.completion_tokens, endpoint.meter.calls) == (2000, 100, 1)


def test_falls_back_to_plain_json_where_structured_output_is_unknown():
    with OpenAIStub(lambda body: '```json\n{"word": "hello"}\n```', structured=False) as stub:
        answer, endpoint = ask(stub)
    assert answer.value.word == "hello"
    assert not endpoint.structured
    (body,) = stub.requests
    assert "response_format" not in body
    assert '"required": ["word"]' in body["messages"][-1]["content"]


def test_waits_as_long_as_retry_after_says():
    with OpenAIStub(hello) as stub:
        stub.faults.append(Fault(429, headers={"Retry-After": "0.3"}))
        answer, endpoint = ask(stub)
    assert answer.value.word == "hello"
    assert stub.arrivals[1] - stub.arrivals[0] >= 0.3
    assert endpoint.meter.retries == 1


def test_reads_retry_after_as_a_date():
    with OpenAIStub(hello) as stub:
        stub.faults.append(Fault(503, headers={"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)}))
        ask(stub)
    assert stub.arrivals[1] - stub.arrivals[0] >= 0.9  # a date has whole seconds


def test_does_not_sit_out_an_hour():
    with OpenAIStub(hello) as stub:
        stub.faults.append(Fault(429, headers={"Retry-After": "3600"}))
        with pytest.raises(SqlftError, match="still fails"):
            ask(stub)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(502, "<html>bad gateway</html>", {"Content-Type": "text/html"}),
        Fault(200, '{"choices": [{"mess', {}),
        Fault(200, "<html>login</html>", {"Content-Type": "text/html"}),
        Fault(200, '{"error": "in a 200"}'),
        Fault(200, cut=True),
    ],
    ids=["500", "502 in html", "half a body", "html", "no completion", "cut connection"],
)
def test_faults_that_pass_are_waited_out(fault):
    with OpenAIStub(hello) as stub:
        stub.faults += [fault, fault]
        answer, endpoint = ask(stub)
    assert answer.value.word == "hello"
    assert endpoint.meter.retries == 2


def test_a_slow_answer_is_asked_for_again_until_time_is_up(monkeypatch):
    monkeypatch.setattr("sqlft.inference.endpoint.ATTEMPTS", 2)
    with OpenAIStub(hello, latency=0.4) as stub, pytest.raises(SqlftError, match="did not answer in time"):
        ask(stub, timeout=0.1)
    assert len(stub.arrivals) == 2


def test_a_lasting_fault_ends_in_one_sentence():
    with OpenAIStub(hello) as stub:
        stub.faults += [Fault(500, '{"error": {"message": "overloaded"}}')] * 20
        with pytest.raises(SqlftError, match=r"still fails after waiting \(500: .*overloaded"):
            ask(stub)
    assert len(stub.arrivals) == 7


@pytest.mark.parametrize("said", ["Hello!", '{"word": 7}', '{"word": "hel'])
def test_a_malformed_answer_is_asked_for_again(said):
    answers = iter([said, {"word": "hello"}])
    with OpenAIStub(lambda body: next(answers), tokens=(1000, 0)) as stub:
        answer, _ = ask(stub)
    assert answer.value.word == "hello"
    assert answer.cost.prompt_tokens == 2000  # the malformed one is paid for too


def test_an_endpoint_that_never_fits_the_schema_is_given_up():
    with OpenAIStub(lambda body: "Hello!") as stub:
        with pytest.raises(MalformedAnswer, match="no JSON in 'Hello!'") as caught:
            ask(stub)
        assert len(stub.requests) == 3
        with pytest.raises(MalformedAnswer):
            ask(stub, budget=0.001)
    assert len(stub.requests) == 4  # the budget was spent by the first
    assert caught.value.cost.completion_tokens == 1500


def test_no_key_for_a_public_endpoint_is_said():
    with pytest.raises(WrongUse, match=r"OPENAI_API_KEY.*not set.*api\.openai\.com"):
        Endpoint("gpt-4o")


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://192.168.1.7/v1", "http://vllm:8000/v1"])
def test_a_local_endpoint_needs_no_key(url):
    assert Endpoint("qwen", url).url == url


def test_the_address_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@localhost:1/v1")
    assert Endpoint("gpt-4o").url == "http://localhost:1/v1"


def test_a_wrong_key_is_said_and_not_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with OpenAIStub(hello, key="sk-right") as stub, pytest.raises(WrongUse, match="does not accept it") as caught:
        ask(stub)
    assert "sk-" not in str(caught.value)
    assert len(stub.arrivals) == 1


def test_a_message_never_repeats_the_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with OpenAIStub(hello) as stub:
        stub.faults.append(Fault(400, '{"error": {"message": "bad thing with sk-secret"}}'))
        with pytest.raises(SqlftError, match=r"refuses the request .400: .*bad thing with …"):
            ask(stub)


def test_a_wrong_path_is_said():
    with OpenAIStub(hello) as stub:
        stub.url = stub.url.removesuffix("/v1")
        with pytest.raises(WrongUse, match="ends in /v1"):
            ask(stub)


def test_an_account_without_credit_is_not_retried():
    with OpenAIStub(hello) as stub:
        stub.faults.append(
            Fault(429, '{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}')
        )
        with pytest.raises(SqlftError, match="no credit left"):
            ask(stub)
    assert len(stub.arrivals) == 1


def test_nobody_there_is_said_soon():
    with OpenAIStub(hello) as stub:
        pass
    with pytest.raises(SqlftError, match=rf"{stub.url} cannot be reached"):
        ask(stub)
    assert ATTEMPTS_UNREACHED == 3


def test_ask_all_keeps_the_order_and_the_limit():
    with OpenAIStub(lambda body: {"word": body["messages"][0]["content"]}, latency=0.05) as stub:
        chats = [[{"role": "user", "content": str(number)}] for number in range(12)]
        seen = []
        answers = ask_all(Endpoint("gpt-4o", stub.url), chats, schema=Word, concurrency=4, progress=seen.append)
    assert [answer.value.word for answer in answers] == [str(number) for number in range(12)]
    assert stub.most == 4
    assert seen == list(range(1, 13))


def test_ask_all_puts_a_malformed_answer_in_its_place():
    with OpenAIStub(lambda body: "?" if body["messages"][0]["content"] == "1" else {"word": "ok"}) as stub:
        chats = [[{"role": "user", "content": str(number)}] for number in range(3)]
        answers = ask_all(Endpoint("gpt-4o", stub.url), chats, schema=Word)
    assert [isinstance(answer, MalformedAnswer) for answer in answers] == [False, True, False]


def test_connections_are_kept_for_the_next_calls():
    opened = []
    with OpenAIStub(hello) as stub:
        process = stub.server.process_request
        stub.server.process_request = lambda *connection: opened.append(connection) or process(*connection)
        ask_all(Endpoint("qwen", stub.url), [CHAT] * 3 * CLIENTS, schema=Word, concurrency=1)
    assert len(opened) == CLIENTS


def test_works_inside_a_running_loop():
    async def notebook():
        async def cell():
            return 7

        return run_async(cell())

    assert asyncio.run(notebook()) == 7


def test_an_unknown_price_is_none_and_a_snapshot_has_its_family_s():
    assert price_of("my-model") is None
    assert price_of("gpt-4o-2024-08-06") == price_of("gpt-4o")
    meter = Meter("my-model", budget=0.01)
    assert meter.count(10**9, 0, 0).dollars is None
    assert meter.dollars is None and not meter.exhausted and meter.affords(100, 1.0)


def test_cached_prompt_tokens_cost_less():
    assert Meter("gpt-4o").price(1_000_000, 400_000, 0) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)


def test_usage_is_estimated_where_the_server_sends_none():
    with OpenAIStub(hello, tokens=None) as stub:
        answer, _ = ask(stub)
    assert answer.cost.prompt_tokens == len("Say a word.") // 4
    assert answer.cost.dollars > 0


def test_the_budget_bears_what_the_dearest_call_says():
    meter = Meter("gpt-4o", budget=1.0)
    assert meter.affords(1, 0.9) and not meter.affords(2, 0.9)
    meter.count(0, 0, 20_000)  # 0.2 dollars
    assert meter.affords(2, 9) and not meter.affords(3, 9)


def test_an_address_or_a_key_that_cannot_be_one_is_wrong_use(monkeypatch):
    with pytest.raises(WrongUse, match=r"base_url.*IPv6"):
        Endpoint("gpt-4o", "http://[::1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-…")
    with pytest.raises(WrongUse, match=r"OPENAI_API_KEY.*ASCII"):
        Endpoint("gpt-4o")
