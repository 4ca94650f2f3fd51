"""Everything that `sqlft export` was asked for, in order."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlft.evaluation.pipeline import Progress
from sqlft.evaluation.statistics import Share
from sqlft.export.hub import export_hub
from sqlft.export.merged import export_merged
from sqlft.export.ollama import export_ollama
from sqlft.export.source import read_source
from sqlft.export.vllm import export_vllm


@dataclass
class Exported:
    """What was written where; None for what was not asked for.

    Attributes:
        right: What the merged model has right of the golden set.
        hub: The repository's address.
    """

    ollama: Path | None = None
    vllm: Path | None = None
    merged: Path | None = None
    right: Share | None = None
    hub: str | None = None

    def to_json(self) -> dict[str, Any]:
        paths = {key: value and str(value) for key, value in asdict(self).items() if key != "right"}
        return paths | {"right": self.right and self.right.model_dump()}


def export_run(
    run: Path | str,
    *,
    merged: Path | None = None,
    ollama: Path | None = None,
    vllm: Path | None = None,
    hub: str | None = None,
    public: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Takes a run's adapter to where models are run; each export with its model card.

    Args:
        run: A run's folder or name, its adapter's folder, or a recipe whose run has been trained and evaluated.
        merged: Folder for one whole model, asked the golden questions again.
        ollama: Folder for a Modelfile.
        vllm: Folder for the serve command and a compose service.
        hub: A repository on Hugging Face's Hub.
        public: Whether everybody may see it.
        progress: Called as the merged model is evaluated.

    Raises:
        WrongUse: There is no such run, it was not evaluated, or a folder is there already.
        SqlftError: The merged model lost too much, or the Hub refuses.
    """
    source, done = read_source(run), Exported()
    if ollama:
        export_ollama(source, ollama)
        done.ollama = ollama
    if vllm:
        export_vllm(source, vllm)
        done.vllm = vllm
    if merged:
        done.right, done.merged = export_merged(source, merged, progress).strict, merged
    if hub:
        done.hub = export_hub(source, hub, public)
    return done
