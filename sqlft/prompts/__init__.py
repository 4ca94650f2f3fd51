"""All text that a model is shown, and the one function that renders a chat."""

from sqlft.prompts.chat import date_string, hash_prompt, render_chat, render_prompt

__all__ = ["date_string", "hash_prompt", "render_chat", "render_prompt"]
