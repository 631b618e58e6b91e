"""Training on a GPU: the losses are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from layers import check

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


def test_gradients_of_an_embedding_by_frequency() -> None:
    table, numbers = torch.randn(6, 3), torch.tensor([[1, 2, 1], [5, 1, 0]])
    check(lambda table, n: F.embedding(n, table, scale_grad_by_freq=True), table, numbers, second=True)
    check(lambda table, n: F.embedding(n, table, padding_idx=1, scale_grad_by_freq=True), table, numbers)


def test_views_are_changed_in_place() -> None:
    def changed(x: Any) -> Any:
        y = x.t() * 2
        y[1:3, ::2].mul_(4)
        y.diagonal().mul_(2)
        y.t()[1].add_(1)
        y.unfold(0, 2, 2)[:, 0].mul_(3)
        y.as_strided((2, 2), (1, 4)).mul_(5)
        return y * y

    check(changed, torch.randn(4, 4), second=True)

    def turned(x: Any) -> Any:
        y = x * 1
        torch.view_as_real(y)[..., 0].mul_(3)
        return y.abs()

    check(turned, torch.randn(3, 4, dtype=torch.complex64))


def test_normalising_nothing_and_drawing_categories() -> None:
    check(lambda x, w: F.layer_norm(x, (0,), w), torch.zeros(4, 0), torch.zeros(0))
    drawn = F.gumbel_softmax(torch.randn(4, 5).cuda(), hard=True)
    assert drawn.is_cuda
    assert drawn.sum(1).tolist() == pytest.approx([1.0] * 4)


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


class Residual(nn.Module):
    """A block of a ResNet, with a smaller and deeper picture behind it."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.short = nn.Conv2d(before, after, 1, stride=2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.short(x))


class UNet(nn.Module):
    """Down, up by a transposed convolution and by interpolation, with the finer picture beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 6, 3, padding=1)
        self.deep = nn.Conv2d(6, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.last = nn.Conv2d(12 + 8, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = F.relu(self.down(x))
        deep = F.relu(self.deep(F.avg_pool2d(fine, 2)))
        coarse = F.interpolate(deep, scale_factor=2.0, mode="bilinear")
        return self.last(torch.cat([self.up(deep), fine, coarse], 1)).mean((2, 3))


class Reader(nn.Module):
    """The last state of an LSTM over the rows of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 9, num_layers=2, batch_first=True)
        self.judge = nn.Linear(9, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.judge(self.lstm(x.flatten(2).transpose(1, 2).reshape(len(x), -1, 16))[0][:, -1])


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 12, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 3),
    )


PICTURE_MODELS: dict[str, Callable[[], nn.Module]] = {
    "CNN": cnn,
    "ResNet": lambda: nn.Sequential(Residual(2, 8), Residual(8, 12), nn.Flatten(), nn.Linear(48, 3)),
    "UNet": UNet,
    "LSTM": Reader,
}


@pytest.mark.parametrize("name", PICTURE_MODELS)
def test_models_of_pictures_learn_the_same(name: str) -> None:
    found: list[list[float]] = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = PICTURE_MODELS[name]()
        x, y = torch.randn(6, 2, 8, 8), torch.randint(0, 3, (6,))
        model, x, y = model.to(device), x.to(device), y.to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        found.append([])
        for _ in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found[-1].append(loss.item())
    assert found[0][-1] < found[0][0]
    assert found[1] == pytest.approx(found[0], rel=1e-4)
