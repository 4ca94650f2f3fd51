"""A page to ask on, side by side; to correct and keep what was answered; and to look through datasets and runs.

gradio draws it and takes over a second to import, so that it is imported when the page is served and not before.
"""

from sqlft.playground.serve import serve

__all__ = ["serve"]
