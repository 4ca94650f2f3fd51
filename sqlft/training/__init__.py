"""Fine-tuning: from a dataset and a base to an adapter, its checkpoints and its manifest."""

from sqlft.training.config import sftconfig
from sqlft.training.fit import TrainingRun, train
from sqlft.training.rows import tokenize_examples
from sqlft.training.status import Status, StatusLine

__all__ = ["Status", "StatusLine", "TrainingRun", "sftconfig", "tokenize_examples", "train"]
