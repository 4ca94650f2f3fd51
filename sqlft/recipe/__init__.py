"""The recipe: one YAML file that describes a whole run, parsed strictly.

Unknown keys, wrong types and impossible combinations are collected and raised together, each with file and line, what
was given, why it cannot be and what to write. Paths in a recipe are relative to the recipe's own folder; run folders
to the working directory. Secrets come from the environment alone.
"""

from sqlft.recipe.read import load_recipe
from sqlft.recipe.sections import (
    Agent,
    Clean,
    CleaningStep,
    Embedder,
    Embeddings,
    Evaluation,
    Generation,
    Judge,
    Limits,
    Memory,
    Model,
    Prompt,
    Recipe,
    Split,
    Step,
    StepName,
    Teacher,
)

__all__ = [
    "Agent",
    "Clean",
    "CleaningStep",
    "Embedder",
    "Embeddings",
    "Evaluation",
    "Generation",
    "Judge",
    "Limits",
    "Memory",
    "Model",
    "Prompt",
    "Recipe",
    "Split",
    "Step",
    "StepName",
    "Teacher",
    "load_recipe",
]
