"""What each request to a teacher asks for: a slot, planned so that levels, constructs, tables, styles and periods are
covered, and so that the same recipe always plans the same."""

from sqlft.dataset.slots.coverage import count_coverage
from sqlft.dataset.slots.failures import ABOUT_ANYTHING, Failure, read_failures
from sqlft.dataset.slots.plan import Plan

__all__ = ["ABOUT_ANYTHING", "Failure", "Plan", "count_coverage", "read_failures"]
