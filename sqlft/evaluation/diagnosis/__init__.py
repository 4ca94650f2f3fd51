"""Why a prediction is wrong, in categories by rule: from the database's error, the two parse trees, the two results."""

from sqlft.evaluation.diagnosis.categories import LABELS, Category, Finding
from sqlft.evaluation.diagnosis.diagnose import diagnose, find_flags

__all__ = ["LABELS", "Category", "Finding", "diagnose", "find_flags"]
