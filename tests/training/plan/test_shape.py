"""The parameters of the bases that are known without a network, and of their adapters."""

import pytest

from sqlft.inference.load import load_base
from sqlft.problems import WrongUse
from sqlft.recipe import Model, Recipe
from sqlft.recipe.sections import Lora
from sqlft.training.plan.shape import read_shape


def recipe_of(base: str, **lora: object) -> Recipe:
    model = Model(base=base, quantization="none", dtype="float32")
    return Recipe(schema="card.yaml", seeds="s", golden="g", model=model, lora=Lora(**lora))


@pytest.mark.parametrize(
    ("base", "parameters"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400),
        ("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824),
        ("meta-llama/Llama-3.1-70B-Instruct", 70_553_706_496),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
    ],
)
def test_a_known_base_has_its_published_parameters(base, parameters):
    assert read_shape(recipe_of(base))[0].base == parameters


def test_the_adapter_is_counted_as_peft_makes_it():
    found, _ = read_shape(recipe_of("meta-llama/Llama-3.1-8B-Instruct", r=32))
    assert found.trainable == 83_886_080 and found.matrices == 7 * 32
    found, _ = read_shape(recipe_of("meta-llama/Llama-3.1-8B-Instruct", r=8, targets=["q_proj", "v_proj"]))
    assert found.trainable == 3_407_872 and found.adapted == {"q_proj", "v_proj"}


def test_a_local_base_is_counted_as_it_is_loaded(tiny_base):
    found, folder = read_shape(recipe_of(str(tiny_base)))
    model = load_base(Model(quantization="none", dtype="float32"), str(tiny_base)).model
    assert found.base == sum(weight.numel() for weight in model.parameters())
    assert folder == tiny_base


def test_targets_that_the_base_has_not_are_refused(tiny_base):
    with pytest.raises(WrongUse, match="lora"):
        read_shape(recipe_of(str(tiny_base), targets=["c_attn"]))
