import torch

from sqlft.inference.tokens import tokenize_chats
from sqlft.memory.memorize import read_answers
from sqlft.memory.paper import PaperMemory
from tests.memory.conftest import DATE, render


def loss(model, rows):
    logits, targets, real = read_answers(model, rows)
    return -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0][real].mean()


def test_the_papers_variant_adds_nothing_at_first_and_then_learns_with_the_experts_that_it_retrieves_alone(model):
    base = model.base
    chat = [*render("What is the code of Marlow?"), {"role": "assistant", "content": "shop 17"}]
    rows = tokenize_chats(base.tokenizer, [chat], ["Marlow"], DATE, model.context)
    before = loss(base.model, rows)
    memory = PaperMemory(base.model, count=512, retrieved=4)
    optimizer = torch.optim.SparseAdam(memory.experts, 1e-2)
    start = memory.banks[0].up.weight.detach().clone()
    with memory.beside(base.model):
        assert torch.equal(loss(base.model, rows), before)
        for _ in range(20):
            optimizer.zero_grad()
            loss(base.model, rows).backward()
            optimizer.step()
        assert loss(base.model, rows) < 0.2 * before
    moved = (memory.banks[0].up.weight != start).any(1).sum()
    assert 0 < moved <= 4 * len(rows[0]) < 512
    assert torch.equal(loss(base.model, rows), before)  # without it the model is what it was


def test_the_papers_router_is_trained_through_the_softmax_over_its_keys(model):
    memory = PaperMemory(model.base.model, count=64, retrieved=4)
    for bank in memory.banks:
        torch.nn.init.normal_(bank.up.weight)
    hidden = torch.randn(2, 3, model.base.model.config.hidden_size)
    memory.banks[0](hidden).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in memory.router[:2])
