"""All text that a model is shown, and the one function that renders a chat."""

from sqlft.prompts.chat import hash_prompt, render_chat, render_prompt

__all__ = ["hash_prompt", "render_chat", "render_prompt"]
