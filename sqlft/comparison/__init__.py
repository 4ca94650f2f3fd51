"""When two query results say the same thing, and the verdict on it."""

from sqlft.comparison.compare import compare, invalid
from sqlft.comparison.judge import Gold, judge, judge_pair, prepare_gold
from sqlft.comparison.score import score_file, score_pair

__all__ = ["Gold", "compare", "invalid", "judge", "judge_pair", "prepare_gold", "score_file", "score_pair"]
