"""What an endpoint's faults mean: which of them pass, how long to wait, and how to say the others."""

from __future__ import annotations

import email.utils
import re
import time

import openai

from sqlft.problems import Problem, SqlftError, WrongUse

LONGEST_RETRY_AFTER = 300.0


class Garbled(Exception):
    """An HTTP answer that is not what was asked for."""


def is_transient(error: BaseException) -> bool:
    """The same request may succeed later."""
    if isinstance(error, openai.RateLimitError):
        return error.code != "insufficient_quota"
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError | Garbled)


def passes(error: BaseException) -> bool:
    """The fault is worth waiting for."""
    return is_transient(error) and (retry_after(error) or 0) <= LONGEST_RETRY_AFTER


def retry_after(error: BaseException | None) -> float | None:
    """Seconds that the answer's Retry-After asks to wait, given as seconds or as a date (RFC 9110, 10.2.3)."""
    value = error.response.headers.get("retry-after") if isinstance(error, openai.APIStatusError) else None
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def refuses_schema(error: BaseException | None) -> bool:
    """The endpoint does not know structured output."""
    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return False
    told = f"{error.param} {error.body}"
    return re.search(r"response_format|json_schema|structured output", told, re.IGNORECASE) is not None


def refuses_token_ids(error: BaseException | None) -> bool:
    """The endpoint does not know `return_token_ids`, which is vLLM's; `transformers serve` 5.23 refuses it."""
    return isinstance(error, openai.UnprocessableEntityError) and "return_token_ids" in f"{error.body}"


def explain(error: Exception, url: str, model: str, key: str) -> SqlftError:
    """One sentence about a fault that did not pass, the key taken out of what the server said."""
    said = getattr(error, "message", str(error)).replace(key, "…")
    cause = str(error.__cause__ or said).replace(key, "…")
    match error:
        case openai.AuthenticationError():
            why = f"{url} does not accept it (401)"
            return WrongUse(Problem("OPENAI_API_KEY", "the key", why, "Set a key that is valid there."))
        case openai.PermissionDeniedError():
            why = f"{url} does not allow it with this key (403: {said})"
            return WrongUse(Problem("OPENAI_API_KEY", model, why))
        case openai.NotFoundError():
            why = f"{url} knows no such model or path (404: {said})"
            return WrongUse(Problem("base_url", model, why, "Check the model's name, and that base_url ends in /v1."))
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return SqlftError(f"{url}: the account has no credit left ({said}).")
        case openai.APITimeoutError():
            return SqlftError(f"{url} did not answer in time, however often asked.")
        case openai.APIConnectionError():
            return SqlftError(f"{url} cannot be reached ({cause}). Check base_url, and that the server runs.")
        case openai.APIStatusError() if is_transient(error):
            return SqlftError(f"{url} still fails after waiting ({error.status_code}: {said}). Try again later.")
        case openai.APIStatusError():
            return SqlftError(f"{url} refuses the request ({error.status_code}: {said}).")
    return SqlftError(f"{url} answers with {said}. Check that base_url is an OpenAI-compatible endpoint.")
