"""The page of a dataset, as a browser shows it."""

from pathlib import Path
from typing import Any

import pytest

from sqlft.report import write_dataset_page
from tests.browser.conftest import Open
from tests.report.test_dataset_page import example, made, recipe


@pytest.mark.parametrize("options", [{}, {"width": 390, "height": 844, "is_mobile": True, "color_scheme": "dark"}])
def test_the_page_is_drawn_and_nothing_runs_over_its_side(
    tmp_path: Path, open_page: Open, options: dict[str, Any]
) -> None:
    report = made(tmp_path, {"train": [example(n) for n in range(25)], "heldout": [example(n) for n in range(25, 30)]})
    with open_page(write_dataset_page(report, recipe()), **options) as page:
        assert page.inner_text(".headline") and page.locator("figure svg").count() == 4
        assert page.evaluate("document.documentElement.scrollWidth") <= options.get("width", 1280)
