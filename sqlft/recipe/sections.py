"""What a recipe may say: a model for each of its sections."""

from __future__ import annotations

import datetime
import re
import shlex
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Limits(Section):
    """What one model-written query may use."""

    seconds: float = Field(10, gt=0)
    rows: int = Field(10_000, gt=0, description="rows of a result that are kept; past it the query is too large")
    bytes: int = Field(64 * 2**20, gt=0, description="bytes of a result")
    memory: int = Field(2 * 2**30, gt=0, description="bytes of memory of one query")
    parallel: int = Field(4, gt=0, description="queries at a time")


class DatabaseSection(Section):
    dsn: str = Field(
        "chdb://memory",
        description="chdb://memory, chdb:///path, chdb://./path, clickhouse(s)://user@host:8123/db",
    )
    limits: Limits = Field(default_factory=Limits)
    sandbox: Literal["process", "static"] = Field(
        "process",
        description="static: the allow-list alone, where the system has no sandbox",
    )

    @model_validator(mode="after")
    def _no_secret(self) -> DatabaseSection:
        if re.search(r"//[^/@:]*:.+@", self.dsn):
            raise ValueError("a recipe holds no password. Write clickhouse://user@host and set CLICKHOUSE_PASSWORD")
        return self


class _Endpoint(Section):
    base_url: str | None = Field(None, description="any OpenAI-compatible endpoint; OpenAI's own where null")

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        if re.search(r"//[^/]*@", self.base_url or ""):
            raise ValueError("a recipe holds no password. Leave base_url out and set OPENAI_BASE_URL")
        return self


class Teacher(_Endpoint):
    """Who writes new question/SQL pairs."""

    kind: Literal["openai", "openai-batch", "template"] = Field(
        "openai", description="openai-batch: the Batch API, at half the price, within a day"
    )
    model: str = "gpt-4o"
    examples: int = Field(2000, gt=0)
    seeds_per_prompt: int = Field(3, ge=0)
    pairs_per_prompt: int = Field(5, gt=0)
    slots: bool = Field(True, description="each request says which level, construct, tables, style and period")
    requests_per_round: int = Field(
        64, gt=0, description="slots planned together; below twice the concurrency, calls wait between rounds"
    )
    temperature: float = Field(0.5, ge=0, le=2)
    budget_usd: float | None = Field(None, gt=0, description="a hard stop; null: what it may cost wants a --yes")
    concurrency: int = Field(16, gt=0)


CleaningStep = Literal[
    "parse", "allow_list", "runs", "row_limit", "empty", "degenerate", "unknown_literal", "out_of_range", "unsteady",
    "disagree", "metric_two_ways", "duplicate", "near_duplicate", "template_quota", "conflict", "back_translation",
    "leakage",
]  # fmt: skip
"""The steps that every pair passes, in order. See sqlft.dataset.steps."""


class Embedder(_Endpoint):
    """Who turns questions into vectors."""

    model: str = "text-embedding-3-small"


class Embeddings(Embedder):
    """Who says how near two questions are in meaning; it counts against `teacher.budget_usd`."""

    near_duplicate: float = Field(
        0.9, gt=0, le=1, description="cosine at which a question repeats another of its literals and answer"
    )


class Clean(Section):
    """What becomes of the pairs that were written, before they are divided."""

    skip: list[CleaningStep] = Field(default_factory=list, description="steps that are left out")
    max_rows: int = Field(100, gt=0, description="a pair whose result has more rows is dropped")
    unsteady: Literal["keep", "drop", "rewrite"] = Field(
        "keep", description="today() and approximate functions; rewrite: prompt.date and exact functions instead"
    )
    near_duplicate: float = Field(0.9, gt=0, le=1, description="similarity at which a question repeats another")
    embeddings: Embeddings | None = Field(
        None, description="finds near-duplicates in other words too; `sqlft build` alone asks it"
    )
    template_quota: int = Field(50, gt=0, description="pairs that may share their SQL but for its literals")
    regenerations: int = Field(
        0, ge=0, description="SQL asked of the teacher anew, to decide between results of one question"
    )
    back_translation: float | None = Field(
        None, gt=0, le=1, description="least similarity to what the teacher says that the SQL answers; null: not asked"
    )
    leak_near: float = Field(0.95, gt=0, le=1, description="similarity at which a question gives a golden one away")


class Split(Section):
    """How the cleaned examples are divided. Counts are of examples, `heldout_templates` a share of the templates."""

    train: int | None = Field(None, gt=0, description="sample this many of what is left for training; null: all")
    validation: int = Field(32, ge=0)
    heldout: int = Field(0, ge=0)
    development: int = Field(
        0, ge=0, description="held out too: what `sqlft improve` looks at, heldout being its judge"
    )
    heldout_templates: float = Field(0, ge=0, lt=1)
    seeds: bool = Field(False, description="put the seeds into train too, beside the sampled examples")


class Prompt(Section):
    """What the model is shown beside the question."""

    format_clause: bool = Field(False, description="ask for a FORMAT TabSeparatedWithNames clause")
    decline: bool = Field(False, description="say that what the tables cannot answer is answered without SQL")
    date: datetime.date = Field(
        datetime.date(2024, 12, 31), description="'Today Date' in prompts; the day that today() means"
    )
    card: Literal["full", "compact"] = Field("full", description="compact: no descriptions, no glossary")


class Model(Section):
    base: str = "meta-llama/Llama-3.1-8B-Instruct"
    revision: str | None = None
    quantization: Literal["nf4", "none"] = "nf4"
    double_quantization: bool = True
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    attention: Literal["sdpa", "eager", "flex_attention", "flash_attention_2"] = "sdpa"


class Lora(Section):
    r: int = Field(32, gt=0)
    alpha: int = Field(64, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: str | list[str] = "all-linear"

    @model_validator(mode="after")
    def _no_lm_head(self) -> Lora:
        if "lm_head" in (self.targets if isinstance(self.targets, list) else [self.targets]):
            raise ValueError("lm_head cannot carry an adapter here. Write all-linear, or layers of the blocks")
        return self


class Generation(Section):
    """How predictions are decoded; greedy unless temperature is above 0."""

    temperature: float = Field(0, ge=0, le=2)
    top_p: float = Field(1, gt=0, le=1)
    samples: int = Field(1, gt=0)
    max_new_tokens: int = Field(512, gt=0)
    batch_size: int = Field(16, gt=0)

    @model_validator(mode="after")
    def _greedy_is_one(self) -> Generation:
        if self.temperature == 0 and self.samples > 1:
            raise ValueError(
                f"{self.samples} samples at temperature 0 are all the same. Write temperature: 0.7, or samples: 1"
            )
        return self


class Judge(_Endpoint):
    """An LLM judge: advisory, in a column of its own."""

    model: str


class Agent(Section):
    """What an agent does beside asking once, and what its tokens and seconds cost."""

    ask: tuple[Literal["few_shot", "rag", "reason", "reflect", "vote"], ...] = Field(
        ("reflect",), description="what `sqlft ask` does; the ladder measures what each is worth"
    )
    shots: int = Field(3, gt=0, description="seeds that few_shot and rag show")
    reflections: int = Field(2, gt=0, description="times that an error or an empty result is handed back, at most")
    samples: int = Field(5, gt=1, description="answers to one question that are voted on")
    temperature: float = Field(0.7, gt=0, le=2, description="of those samples")
    embeddings: Embedder | None = Field(None, description="rag finds the nearest seeds with it; with BM25 where null")
    gpu_hour_usd: float | None = Field(None, gt=0, description="what an hour of this machine costs")
    prices: dict[str, tuple[float, float, float]] = Field(
        default_factory=dict, description="dollars for a million tokens by model: prompt, cached prompt, completion"
    )


StepName = Literal[
    "zero_shot", "few_shot", "reason", "reflect", "rag", "rag+reflect", "memory", "adapter", "adapter+reflect",
    "adapter+vote", "adapter+memory",
]  # fmt: skip


class Step(_Endpoint):
    """A step of the ladder: on the local base, or on an endpoint's `model`."""

    step: StepName
    model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"step": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _place(self) -> Step:
        if self.base_url and not self.model:
            raise ValueError("base_url without model says not what to ask there. Write model: its name")
        if self.model and {"adapter", "memory"} & set(self.step.split("+")):
            part = "an adapter" if "adapter" in self.step else "a memory"
            raise ValueError(f"{part} is loaded on the local base. Write zero_shot for a model that is served tuned")
        return self

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.step} {self.model}" if self.model else self.step


class Served(_Endpoint):
    """A vLLM server that holds the base under its name and each adapter under its run's."""

    base_url: str
    check_agreement: int = Field(0, ge=0, description="questions that the local model answers too, before the others")
    least_agreement: float = Field(0.9, ge=0, le=1, description="share of these that must be the same to the letter")


class Memory(Section):
    """Memory tuning: experts beside the frozen model, trained until facts are recalled without error."""

    shape: Literal["experts", "product_keys"] = Field(
        "experts", description="one expert a fact, or a bank of fixed size that facts share"
    )
    rank: int = Field(4, gt=0, description="of a fact's own expert; those of a bank have rank 1")
    layers: int = Field(8, gt=0, description="layers that experts stand beside, at most, evenly spaced")
    experts: int = Field(16_384, gt=0, description="of a bank")
    retrieved: int = Field(32, gt=0, description="experts of a bank that a fact has")
    at_once: int = Field(4, gt=0, description="facts that one question may open")
    shared_rank: int = Field(
        128,
        ge=0,
        description="of what facts with uses share: how they are put into a query, and take turns; 0: nothing",
    )
    epochs: int = Field(100, gt=0, description="at most; training stops when every fact is exact")
    batch_size: int = Field(16, gt=0)
    learning_rate: float = Field(5e-3, gt=0)
    variants: int = Field(2, ge=0, description="shuffled questions that each fact is trained on beside its own")
    margin: float = Field(0.9, gt=0.5, lt=1, description="how sure of each token of an answer a recalled fact is")


class Evaluation(Section):
    questions: list[Path] = Field(
        default_factory=list, description="sets that will be asked beside the golden one: nothing of them is trained on"
    )
    judge: Judge | None = None
    endpoint: Served | None = Field(None, description="whom `sqlft evaluate` asks; this machine where null")
    stress: int = Field(0, ge=0, description="neighbour databases on which matches are tried again")
    stress_rows: int = Field(10_000, gt=0, description="rows of each table that a neighbour is made of")
    merge_loss: float = Field(
        0.02, ge=0, le=1, description="golden questions that a merged model may lose against its adapter, as a share"
    )
    ladder: list[Step] = Field(
        default_factory=list, description="what `sqlft ladder` measures: names, or {step, model, base_url}; [] is all"
    )

    @property
    def engine(self) -> str:
        """What writes an evaluation's answers."""
        return f"vLLM at {self.endpoint.base_url}" if self.endpoint else "local"


class Recipe(Section):
    """A whole run: where the data comes from, what is trained, how it is asked and judged."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str = Field(
        "", pattern=r"^(\.*[\w-][\w.-]*)?$", description="the folder under runs/; the file's name where empty"
    )
    seed: int = 0
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    schema_: Path = Field(alias="schema", description="path of the schema card")
    seeds: Path
    golden: Path
    imported: Path | None = Field(None, description="pairs from `sqlft import` that join the teacher's")
    teacher: Teacher = Field(default_factory=Teacher)
    clean: Clean = Field(default_factory=Clean)
    split: Split = Field(default_factory=Split)
    prompt: Prompt = Field(default_factory=Prompt)
    model: Model = Field(default_factory=Model)
    lora: Lora = Field(default_factory=Lora)
    training: dict[str, Any] = Field(default_factory=dict, description="TRL SFTConfig's own keys, checked by it")
    generation: Generation = Field(default_factory=Generation)
    memory: Memory = Field(default_factory=Memory)
    agent: Agent = Field(default_factory=Agent)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    allow_leakage: bool = Field(
        False, description="train although train.jsonl holds golden questions; every report then says so in red"
    )

    _path: Path = PrivateAttr(default=Path("recipe.yaml"))
    _overrides: tuple[str, ...] = PrivateAttr(default=())
    _places: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file that this recipe was read from."""
        return self._path

    @property
    def words(self) -> str:
        """The file and the overrides, as a command line takes them."""
        return shlex.join([str(self.path), *self._overrides])

    def where(self, *keys: str) -> str:
        """FILE:LINE of a key, for messages; the file alone where the key is not written in it."""
        line = self._places.get(keys)
        return f"{self.path}:{line}" if line else str(self.path)

    @property
    def run_dir(self) -> Path:
        """runs/NAME under the working directory."""
        return Path("runs") / self.name

    def memory_dir(self, adapter: bool) -> Path:
        """Where the run keeps the memory that was made beside its base, or beside an adapter."""
        return self.run_dir / "memory" / ("adapter" if adapter else "base")

    @property
    def base(self) -> str:
        """`model.base`: a local folder where the recipe's folder or the working directory has it, else a hub's name."""
        for folder in (self.path.parent / self.model.base, Path(self.model.base)):
            if folder.is_dir():
                return str(folder)
        return self.model.base
