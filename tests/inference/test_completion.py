import json

import pytest
from pydantic import BaseModel, ValidationError

from sqlft.inference.completion import Completion, answer_format, read_completion


class Word(BaseModel):
    word: str
    times: int = 1


def completion(message, **fields):
    return Completion.model_validate_json(json.dumps({"choices": [{"message": message}], **fields}))


def test_a_server_may_leave_out_what_is_not_used_and_add_what_is_not_known():
    found = completion({"content": 'Sure: {"word": "hello"}', "reasoning_content": None}, service_tier={"x": 1})
    assert found.usage is None
    assert read_completion(found, Word) == Word(word="hello")


def test_cached_tokens_are_a_part_of_the_prompt_s():
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    assert completion({"content": ""}, usage=usage).usage.cached_tokens == 8
    for details in (None, {}, {"cached_tokens": None}):
        assert completion({}, usage={**usage, "prompt_tokens_details": details}).usage.cached_tokens == 0


@pytest.mark.parametrize("body", ["{}", '{"choices": []}', '{"choices": null}', "[]", "Service Unavailable"])
def test_another_body_is_no_completion(body):
    with pytest.raises(ValidationError):
        Completion.model_validate_json(body)


def test_a_refusal_and_a_cut_answer_say_so():
    with pytest.raises(ValueError, match="it refuses: I may not"):
        read_completion(completion({"refusal": "I may not."}), Word)
    cut = Completion.model_validate({"choices": [{"message": {"content": '{"word"'}, "finish_reason": "length"}]})
    with pytest.raises(ValueError, match="cut at the model's length limit"):
        read_completion(cut, Word)


def test_the_shape_asked_for_is_strict():
    schema = answer_format(Word)["json_schema"]["schema"]
    assert schema["required"] == ["word", "times"] and schema["additionalProperties"] is False
