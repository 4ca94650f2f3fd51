"""The demo on a small scale: few users, few examples, two steps, a random base."""

from pathlib import Path

import pytest
import yaml

from sqlft.database import Database
from sqlft.database.shop import fill_shop
from tests.tiny import make_tiny

RECIPES = Path(__file__).parent.parent / "recipes"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with such a recipes/tiny-cpu.yaml, its base and its shop."""
    folder = tmp_path_factory.mktemp("clone")
    with Database.connect(f"chdb://{folder}/shop") as db:
        fill_shop(db, 200)
    recipe = yaml.safe_load((RECIPES / "tiny-cpu.yaml").read_text())
    recipe |= {key: str(RECIPES / recipe[key]) for key in ("schema", "seeds", "golden")}
    recipe["database"] = {"dsn": f"chdb://{folder}/shop"}
    recipe["teacher"]["examples"] = 150
    recipe["split"] = {"train": 24, "validation": 4, "heldout": 8, "heldout_templates": 0.1}
    base = make_tiny(folder / "base", context=4096)
    recipe["model"] = {"base": str(base), "quantization": "none", "dtype": "float32"}
    recipe["lora"] = {"r": 4, "alpha": 8}
    recipe["training"] = {"max_steps": 2, "learning_rate": 0.01, "per_device_train_batch_size": 4}
    recipe["generation"] = {"max_new_tokens": 8}
    (folder / "recipes").mkdir()
    (folder / "recipes" / "tiny-cpu.yaml").write_text(yaml.safe_dump(recipe))
    return folder
