"""A run taken away: merged, for Ollama, for vLLM, or to the Hub, each with its model card. `export_run` does it."""

from sqlft.export.run import Exported, export_run

__all__ = ["Exported", "export_run"]
