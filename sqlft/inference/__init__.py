"""Predictions: from a local base with any number of adapters, or from an OpenAI-compatible endpoint."""

from sqlft.inference.extract import extract_sql
from sqlft.inference.load import Base, check_access, load_base
from sqlft.inference.local import Answer, Answering, LocalModel, predict

__all__ = ["Answer", "Answering", "Base", "LocalModel", "check_access", "extract_sql", "load_base", "predict"]
