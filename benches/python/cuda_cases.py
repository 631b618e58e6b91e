"""What is measured on a GPU, written for any library that speaks PyTorch. A case makes its tensors and returns the work
that is timed; `tiny` is for machines that only emulate a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """`make(torch, tiny)` gives the work, and the bytes that it moves or the operations that it does: the second
    number is held against a ceiling of the kind."""

    name: str
    kind: str
    make: Callable[[Any, bool], tuple[Work, float]]
    # How much faster than PyTorch it is to be.
    goal: float = 1.0
    # The share of the ceiling that is to be reached.
    share: float | None = None


def _numbers(torch: Any, *shape: int, dtype: str = "float32") -> Any:
    """The same numbers in every library, between -1 and 1."""
    n = math.prod(shape)
    return (
        (torch.arange(n, device="cuda") % 8191)
        .float()
        .mul(0.37)
        .sin()
        .reshape(shape)
        .to(getattr(torch, dtype))
    )


def _fill(torch: Any, module: Any) -> Any:
    """The module on the GPU with the same weights in every library."""
    module = module.to("cuda")
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(_numbers(torch, *p.shape) / max(p.shape[-1], 1) ** 0.5)
    return module


# ---- bound by bandwidth: 256 MB ----


def _rows(tiny: bool) -> tuple[int, int]:
    return (16, 128) if tiny else (16384, 4096)


def _moving(function: Callable[[Any, Any], Work], times: float) -> Callable[[Any, bool], tuple[Work, float]]:
    """Work on a matrix of 256 MB that moves it so many times."""

    def make(torch: Any, tiny: bool) -> tuple[Work, float]:
        x = _numbers(torch, *_rows(tiny))
        return function(torch, x), times * x.numel() * 4

    return make


def _copy(torch: Any, x: Any) -> Work:
    y = torch.empty_like(x)
    return lambda: y.copy_(x)


def _add(torch: Any, x: Any) -> Work:
    y, out = x.clone(), torch.empty_like(x)
    return lambda: torch.add(x, y, out=out)


def _backward(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Work]:
    def prepare(torch: Any, x: Any) -> Work:
        x.requires_grad_()
        y = function(torch, x)
        g = torch.ones_like(y)
        return lambda: torch.autograd.grad(y, x, g, retain_graph=True)[0]

    return prepare


def _cross_entropy(torch: Any, x: Any) -> Any:
    target = torch.arange(x.shape[0], device="cuda") % x.shape[1]
    return torch.nn.functional.cross_entropy(x, target, reduction="sum")


def _layer_norm(torch: Any, x: Any) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[1:])


BANDWIDTH = [
    Case("copy, the ceiling", "bandwidth", _moving(_copy, 2)),
    Case("add of two", "bandwidth", _moving(_add, 3), share=0.85),
    Case("gelu", "bandwidth", _moving(lambda t, x: lambda: t.nn.functional.gelu(x), 2), share=0.85),
    Case("add of a row", "bandwidth", _moving(lambda t, x: lambda: x + x[0], 2), share=0.85),
    Case("sum", "bandwidth", _moving(lambda t, x: lambda: x.sum(), 1), share=0.85),
    Case("sum of rows", "bandwidth", _moving(lambda t, x: lambda: x.sum(1), 1), share=0.85),
    Case("sum of columns", "bandwidth", _moving(lambda t, x: lambda: x.sum(0), 1), share=0.85),
    Case("largest of rows", "bandwidth", _moving(lambda t, x: lambda: x.amax(1), 1), share=0.85),
    Case("cumsum of rows", "bandwidth", _moving(lambda t, x: lambda: x.cumsum(1), 2), share=0.85),
    Case("transposed copy", "bandwidth", _moving(lambda t, x: lambda: x.t().contiguous(), 2), share=0.85),
    Case("to bfloat16", "bandwidth", _moving(lambda t, x: lambda: x.bfloat16(), 1.5), share=0.85),
    Case("softmax", "bandwidth", _moving(lambda t, x: lambda: x.softmax(1), 2), share=0.85),
    Case("softmax backward", "bandwidth", _moving(_backward(lambda t, x: x.softmax(1)), 3), share=0.85),
    Case("layer_norm", "bandwidth", _moving(lambda t, x: lambda: _layer_norm(t, x), 2), share=0.85),
    Case("layer_norm backward", "bandwidth", _moving(_backward(_layer_norm), 3), share=0.85),
    Case("cross_entropy", "bandwidth", _moving(lambda t, x: lambda: _cross_entropy(t, x), 1), share=0.85),
    Case("cross_entropy backward", "bandwidth", _moving(_backward(_cross_entropy), 2), share=0.85),
    Case("dropout", "bandwidth", _moving(lambda t, x: lambda: t.nn.functional.dropout(x), 2.25), share=0.85),
]


# ---- bound by arithmetic ----


def _matmul(dtype: str) -> Callable[[Any, bool], tuple[Work, float]]:
    def make(torch: Any, tiny: bool) -> tuple[Work, float]:
        n = 32 if tiny else 4096 if dtype == "float32" else 8192
        a, b = _numbers(torch, n, n, dtype=dtype), _numbers(torch, n, n, dtype=dtype)
        return lambda: a @ b, 2.0 * n**3

    return make


def _convolution(dtype: str, backward: bool) -> Callable[[Any, bool], tuple[Work, float]]:
    def make(torch: Any, tiny: bool) -> tuple[Work, float]:
        n, c, side = (1, 4, 6) if tiny else (64, 128, 56)
        x, w = _numbers(torch, n, c, side, side, dtype=dtype), _numbers(torch, c, c, 3, 3, dtype=dtype)
        work = 2.0 * n * c * c * 9 * side**2
        if not backward:
            return lambda: torch.nn.functional.conv2d(x, w, padding=1), work
        x.requires_grad_()
        w.requires_grad_()
        y = torch.nn.functional.conv2d(x, w, padding=1)
        g = torch.ones_like(y)
        return lambda: torch.autograd.grad(y, (x, w), g, retain_graph=True)[1], 2 * work

    return make


def _attention(backward: bool) -> Callable[[Any, bool], tuple[Work, float]]:
    def make(torch: Any, tiny: bool) -> tuple[Work, float]:
        b, h, s, d = (1, 1, 8, 8) if tiny else (4, 16, 4096, 64)
        q, k, v = (_numbers(torch, b, h, s, d, dtype="bfloat16") for _ in range(3))
        attend = torch.nn.functional.scaled_dot_product_attention
        work = 4.0 * b * h * s * s * d
        if not backward:
            return lambda: attend(q, k, v), work
        for t in (q, k, v):
            t.requires_grad_()
        y = attend(q, k, v)
        g = torch.ones_like(y)
        return lambda: torch.autograd.grad(y, (q, k, v), g, retain_graph=True)[0], 2.5 * work

    return make


ARITHMETIC = [
    Case("matmul float32", "float32", _matmul("float32")),
    Case("matmul bfloat16", "bfloat16", _matmul("bfloat16")),
    Case("matmul float16", "float16", _matmul("float16")),
    Case("convolution float32", "float32", _convolution("float32", False)),
    Case("convolution float32 backward", "float32", _convolution("float32", True)),
    Case("convolution bfloat16", "bfloat16", _convolution("bfloat16", False)),
    Case("convolution bfloat16 backward", "bfloat16", _convolution("bfloat16", True)),
    Case("attention bfloat16", "bfloat16", _attention(False), goal=0.8),
    Case("attention bfloat16 backward", "bfloat16", _attention(True), goal=0.8),
]


# ---- bound by launches ----


def _mlp(torch: Any, tiny: bool) -> tuple[Any, Any]:
    nn, n = torch.nn, 8 if tiny else 256
    net = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 10))
    return _fill(torch, net), _numbers(torch, 4 if tiny else 64, n)


class _Attended:
    """A small transformer; made of parts, so that it is the same work in every library."""

    def __new__(cls, torch: Any, tiny: bool) -> Any:
        nn, n, heads = torch.nn, 8 if tiny else 128, 2 if tiny else 4

        class Block(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = nn.LayerNorm(n), nn.LayerNorm(n)
                self.qkv, self.out = nn.Linear(n, 3 * n), nn.Linear(n, n)
                self.wide, self.narrow = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

            def forward(self, x: Any) -> Any:
                b, s, _ = x.shape
                q, k, v = self.qkv(self.first(x)).view(b, s, 3, heads, n // heads).permute(2, 0, 3, 1, 4)
                y = nn.functional.scaled_dot_product_attention(q, k, v)
                x = x + self.out(y.transpose(1, 2).reshape(b, s, n))
                return x + self.narrow(nn.functional.gelu(self.wide(self.second(x))))

        blocks = [Block() for _ in range(1 if tiny else 4)]
        return _fill(torch, nn.Sequential(*blocks, nn.Flatten(0, 1), nn.Linear(n, 10)))


def _transformer(torch: Any, tiny: bool) -> tuple[Any, Any]:
    return _Attended(torch, tiny), _numbers(torch, *((1, 4, 8) if tiny else (8, 64, 128)))


def _rnn(torch: Any, tiny: bool) -> tuple[Any, Any]:
    n, steps = (4, 2) if tiny else (128, 64)

    class Last(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = torch.nn.LSTM(n, n, batch_first=True), torch.nn.Linear(n, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(x)[0][:, -1])

    return _fill(torch, Last()), _numbers(torch, 2 if tiny else 16, steps, n)


def _training(
    build: Callable[[Any, bool], tuple[Any, Any]], replayed: bool
) -> Callable[[Any, bool], tuple[Work, float]]:
    """Steps of a training; replayed as a graph, or one launch after the other."""

    def make(torch: Any, tiny: bool) -> tuple[Work, float]:
        net, x = build(torch, tiny)
        optim = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
        rows = net(x).shape[0]
        target = torch.arange(rows, device="cuda") % 10

        def step() -> Any:
            optim.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), target)
            loss.backward()
            optim.step()
            return loss

        if not replayed:
            return step, 0.0
        for _ in range(2):
            step()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = step()

        def replay() -> Any:
            graph.replay()
            return loss

        return replay, 0.0

    return make


def _optimizer(torch: Any, tiny: bool) -> tuple[Work, float]:
    params = [_numbers(torch, 10 if tiny else 1000).requires_grad_() for _ in range(5 if tiny else 200)]
    for p in params:
        p.grad = torch.ones_like(p)
    optim = torch.optim.AdamW(params)

    def step() -> Any:
        optim.step()
        return params[0]

    return step, 0.0


def _small(torch: Any, tiny: bool) -> tuple[Work, float]:
    x, y = _numbers(torch, 16), _numbers(torch, 16)
    return lambda: x + y, 0.0


def _small_in_place(torch: Any, tiny: bool) -> tuple[Work, float]:
    x, y = _numbers(torch, 16), _numbers(torch, 16)
    return lambda: x.mul_(y), 0.0


LAUNCHES = [
    Case("MLP, batch 64", "launches", _training(_mlp, False), goal=1.5),
    Case("small transformer", "launches", _training(_transformer, False), goal=1.5),
    Case("LSTM of 64 steps", "launches", _training(_rnn, False), goal=1.5),
    Case("AdamW over 200 tensors", "launches", _optimizer, goal=1.5),
    Case("MLP, as a graph", "launches", _training(_mlp, True)),
    Case("small transformer, as a graph", "launches", _training(_transformer, True)),
    Case("x + y of 16, the host's time", "host", _small, goal=2.0),
    Case("x.mul_(y) of 16, the host's time", "host", _small_in_place, goal=2.0),
]

CASES = [*BANDWIDTH, *ARITHMETIC, *LAUNCHES]
