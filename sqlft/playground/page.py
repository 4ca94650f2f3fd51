"""The page: its tabs, its looks, and the keys."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr

from sqlft.agent import Analyst
from sqlft.playground.asking import EXAMPLES, QUIET, asking_tab, html
from sqlft.playground.keeping import Keeper
from sqlft.playground.reviewing import Reviewing
from sqlft.playground.runs import list_runs
from sqlft.playground.show import show_runs
from sqlft.records import read_examples

HERE = Path(__file__).parent
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
CODE_FONTS = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]


def draw_page(analysts: Sequence[Analyst], keeper: Keeper) -> gr.Blocks:
    """Everything that is seen. Nothing of it is loaded from elsewhere, and nothing is told to anybody."""
    seeds = read_examples(keeper.recipe.seeds)
    examples = (
        [seeds[n * len(seeds) // EXAMPLES].question for n in range(EXAMPLES)]
        if len(seeds) > EXAMPLES
        else [seed.question for seed in seeds]
    )
    with gr.Blocks(title=f"sqlft playground: {keeper.recipe.name}", analytics_enabled=False, fill_width=False) as page:
        gr.Markdown("# sqlft playground", elem_id="title")
        with gr.Tab("Ask"):
            asking_tab(analysts, keeper, examples, threading.Lock())
        with gr.Tab("Datasets", elem_id="datasets"):
            reviewing = Reviewing(keeper)
        with gr.Tab("Runs") as runs:
            table = html(show_runs(list_runs()))
        runs.select(lambda: show_runs(list_runs()), None, table, **QUIET)
        if hasattr(reviewing, "load"):
            page.load(reviewing.load, None, reviewing.shown, show_progress="hidden", **QUIET)
    return page.queue(default_concurrency_limit=4, max_size=32)


def looks() -> dict[str, Any]:
    """How the page is drawn: system fonts, one quiet theme for light and dark, our own style and keys."""
    theme = gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=CODE_FONTS, radius_size="sm", text_size="md"
    )
    keys = (HERE / "keys.js").read_text(encoding="utf-8")
    return {"theme": theme, "css": (HERE / "page.css").read_text(encoding="utf-8"), "head": f"<script>{keys}</script>"}
