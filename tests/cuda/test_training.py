"""Training on a GPU: the losses are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rustnn as torch
from rustnn import nn
from rustnn.nn import functional as F

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
}


def losses(device: str, make: Callable[[Any], Any]) -> list[float]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
    model, x, y = model.to(device), x.to(device), y.to(device)
    optimizer = make(model.parameters())
    found = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert all(p.grad is not None and str(p.device).startswith(device) for p in model.parameters())
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_network_learns_the_same(name: str) -> None:
    assert losses("cuda", OPTIMIZERS[name]) == pytest.approx(losses("cpu", OPTIMIZERS[name]), rel=1e-5)


def test_an_embedding_learns_the_same() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(10, 4, padding_idx=0)
    numbers = torch.tensor([[1, 2, 0], [3, 9, 1]])
    there = nn.Embedding(10, 4, padding_idx=0).cuda()
    there.load_state_dict(table.state_dict())
    (table(numbers) ** 2).sum().backward()
    (there(numbers.cuda()) ** 2).sum().backward()
    assert table.weight.grad is not None
    assert there.weight.grad is not None
    assert torch.allclose(there.weight.grad.cpu(), table.weight.grad)


@pytest.mark.parametrize(
    "options", [{}, {"reduction": "sum"}, {"label_smoothing": 0.1}, {"ignore_index": 1}], ids=str
)
def test_cross_entropy(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 1, 1])
    results = []
    for device in ("cpu", "cuda"):
        own = x.detach().to(device, copy=True).requires_grad_()
        loss = F.cross_entropy(own, y.to(device), weight=torch.arange(1.0, 5.0).to(device), **options)
        loss.backward()
        assert own.grad is not None
        results.append([loss.item(), *own.grad.flatten().tolist()])
    assert results[1] == pytest.approx(results[0], rel=1e-4, abs=1e-6)
