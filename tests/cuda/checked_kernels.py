"""Runs kernels of every family on the emulated GPU with each of their accesses to memory looked at (`cuda_check.h`), and
holds results against the CPU's. Prints what failed, a line each; `test_races.py` starts it, with the emulator's
variables set.

    python checked_kernels.py [REGEX]
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import rustnn as torch
import rustnn.nn.functional as F


def _with_gradient(function: Any, *shapes: tuple[int, ...]) -> Any:
    """A case: ``function`` of random tensors of these shapes, and the gradients of all of them."""

    def case(device: str) -> list[Any]:
        torch.manual_seed(0)
        tensors = [torch.randn(shape).to(device).requires_grad_() for shape in shapes]
        y = function(*tensors)
        y.square().sum().backward()
        return [y, *(t.grad for t in tensors)]

    return case


def _of(function: Any, *shapes: tuple[int, ...], dtype: Any = None) -> Any:
    """A case: ``function`` of random tensors of these shapes."""

    def case(device: str) -> Any:
        torch.manual_seed(0)
        tensors = [(torch.randn(shape) * 9).to(dtype or torch.float32).to(device) for shape in shapes]
        return function(*tensors)

    return case


def _lstm(device: str) -> Any:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(3, 4).to(device)
    x = torch.randn(3, 2, 3).to(device).requires_grad_()
    y, _ = lstm(x)
    y.square().sum().backward()
    return [y, x.grad]


def _adam(device: str) -> Any:
    torch.manual_seed(0)
    params = [torch.randn(n).to(device).requires_grad_() for n in (5, 1500)]
    optim = torch.optim.Adam(params, capturable=device == "cuda")
    for p in params:
        p.grad = p.detach().clone()
    optim.step()
    optim.step()
    return params


def _drawn(device: str) -> Any:
    """Draws differ between devices: what can be told is their sums."""
    torch.manual_seed(0)
    x = torch.ones(3000, device=device)
    kept = F.dropout(x, 0.5)
    weights = torch.arange(600.0, device=device).expand(3, 600)
    columns = torch.multinomial(weights, 700, replacement=True)
    return [(kept.mean() - 1).abs() < 0.1, columns.double().mean(1).sub(400).abs() < 30]


def _index(x: Any) -> Any:
    index = torch.tensor([3, 0, 3, 1]).to(x.device)
    return (
        x[index],
        x.clone().index_add_(0, index, x[:4]),
        x.index_select(0, index),
        x.gather(0, index[:, None]),
    )


def _masks(x: Any) -> Any:
    y = x.clone()
    y[x > 5] = 0.5
    return x[x > 0], x.nonzero(), y


CASES = {
    "sum over rows": _of(lambda x: (x.sum(1), x.amax(1)), (3, 700)),
    "sum over columns": _of(lambda x: x.sum(0), (70, 33)),
    "sum of all": _of(lambda x: x.sum(), (100_000,)),
    "short sums": _of(lambda x: x.sum(1), (50, 20)),
    "argmax": _of(lambda x: (x.argmax(1), x.min(0).indices), (5, 300)),
    "softmax": _with_gradient(lambda x: x.softmax(1), (3, 300)),
    "narrow softmax": _with_gradient(lambda x: x.log_softmax(1), (9, 10)),
    "cumsum over rows": _of(lambda x: (x.cumsum(1), x.cummax(1)), (3, 700)),
    "cumsum of all": _of(lambda x: x.cumsum(0), (9000,)),
    "cumsum over columns": _of(lambda x: x.cumsum(0), (40, 65)),
    "sort of short rows": _of(lambda x: x.sort(1), (5, 60)),
    "sort": _of(lambda x: x.sort(), (5000,), dtype=torch.int32),
    "unique": _of(lambda x: torch.unique(x, return_counts=True), (400,), dtype=torch.int32),
    "searchsorted": _of(lambda x, y: torch.searchsorted(x.sort().values, y), (60,), (40,)),
    "matmul": _of(lambda x, y: x @ y, (70, 65), (65, 33)),
    "matmul in parts": _of(lambda x, y: x @ y, (8, 3000), (3000, 8)),
    "matmul in bfloat16": _of(lambda x, y: x @ y.t(), (40, 70), (65, 70), dtype=torch.bfloat16),
    "convolution": _with_gradient(
        lambda x, w, b: F.conv2d(x, w, b, padding=1), (2, 9, 7, 7), (10, 9, 3, 3), (10,)
    ),
    "depthwise convolution": _with_gradient(
        lambda x, w: F.conv2d(x, w, groups=4), (2, 4, 7, 7), (4, 1, 3, 3)
    ),
    "max pooling": _with_gradient(lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 9, 9)),
    "average pooling": _with_gradient(lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 3, 9, 9)),
    "interpolation": _with_gradient(
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 2, 5, 5)
    ),
    "grid sample": _with_gradient(
        lambda x, g: F.grid_sample(x, g, align_corners=False), (1, 2, 5, 5), (1, 4, 4, 2)
    ),
    "cross-entropy": _with_gradient(
        lambda x: F.cross_entropy(x, torch.arange(6).to(x.device), label_smoothing=0.1), (6, 40)
    ),
    "norms": _with_gradient(lambda x, w: F.group_norm(F.layer_norm(x, (6,), w), 2), (3, 4, 6), (6,)),
    "embedding": _with_gradient(
        lambda w: F.embedding(torch.tensor([[1, 3], [3, 0]]).to(w.device), w, padding_idx=0), (5, 70)
    ),
    "indices": _of(_index, (8, 1)),
    "scatter": _of(
        lambda x: torch.zeros(5, device=x.device).scatter_add(0, (x.abs().long() % 5).flatten(), x.flatten()),
        (8, 40),
    ),
    "masks": _of(_masks, (40, 60)),
    "distances": _of(torch.cdist, (20, 7), (30, 7)),
    "bincount": _of(lambda x: torch.bincount(x.abs()), (500,), dtype=torch.int64),
    "transpose": _of(lambda x: x.t().contiguous(), (65, 70)),
    "attention": _with_gradient(F.scaled_dot_product_attention, (1, 2, 9, 8), (1, 2, 9, 8), (1, 2, 9, 8)),
    "lstm": _lstm,
    "adam": _adam,
    "draws": _drawn,
}


def _flat(result: Any) -> list[Any]:
    return [t for part in result for t in _flat(part)] if isinstance(result, (tuple, list)) else [result]


def main() -> None:
    wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    done = 0
    for name, case in CASES.items():
        if not wanted.search(name):
            continue
        start = time.process_time()
        try:
            there = [t.detach().cpu() for t in _flat(case("cuda"))]
        except Exception as error:
            print(f"FAILED {name}: {error}", flush=True)
            continue
        for ours, theirs in zip(there, _flat(case("cpu")), strict=True):
            tolerance = 0.05 if ours.dtype == torch.bfloat16 else 1e-4
            if not torch.allclose(ours, theirs.detach(), rtol=tolerance, atol=tolerance * 10, equal_nan=True):
                print(f"FAILED {name}: another result than the CPU's", flush=True)
        done += 1
        print(f"# {name}: {time.process_time() - start:.1f} s", file=sys.stderr, flush=True)
    print(f"{done} cases", flush=True)


if __name__ == "__main__":
    main()
