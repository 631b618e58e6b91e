"""Mixed precision on a GPU: scaled losses, and which operations run in which dtype."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import rustnn as torch
from rustnn import nn
from rustnn.nn import functional as F


def scaler(**options: Any) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cuda", init_scale=8.0, growth_interval=2, **options)


def test_unscaling_finds_infinities() -> None:
    for bad in (None, float("inf"), float("nan")):
        parameters = [torch.nn.Parameter(torch.zeros(n, device="cuda")) for n in (3, 5000, 0)]
        parameters.append(torch.nn.Parameter(torch.zeros(4, 3, device="cuda").t()))
        parameters.append(torch.nn.Parameter(torch.zeros(5, device="cuda", dtype=torch.bfloat16)))
        optimizer = torch.optim.SGD(parameters, lr=1)
        s = scaler()
        assert s.is_enabled()
        s.scale(torch.ones((), device="cuda"))
        for p in parameters:
            p.grad = torch.full_like(p, 16)
        if bad is not None:
            assert parameters[1].grad is not None
            parameters[1].grad[4321] = bad
        s.unscale_(optimizer)
        for p in parameters:
            assert p.grad is not None
            assert p.grad.flatten()[:3].tolist() == [2] * min(3, p.numel())
        with pytest.raises(RuntimeError, match="already been called"):
            s.unscale_(optimizer)
        s.step(optimizer)
        assert parameters[0].tolist() == [-2 if bad is None else 0] * 3
        with pytest.raises(RuntimeError, match="already been called"):
            s.step(optimizer)
        s.update()
        assert s.get_scale() == (8 if bad is None else 4)


def test_gradients_with_gaps() -> None:
    p = torch.nn.Parameter(torch.zeros(4, device="cuda"))
    optimizer = torch.optim.SGD([p], lr=1)
    s = scaler()
    s.scale(torch.ones((), device="cuda"))
    gaps = torch.full((4, 2), 16.0, device="cuda")
    p.grad = gaps[:, 0]
    s.unscale_(optimizer)
    assert gaps.tolist() == [[2, 16]] * 4


def test_the_scale_grows_and_shrinks() -> None:
    p = torch.nn.Parameter(torch.zeros(2, device="cuda"))
    optimizer = torch.optim.SGD([p], lr=1)
    s = scaler(growth_factor=4.0, backoff_factor=0.25)
    found = []
    for bad in (False, False, False, True, False, False):
        s.scale(p.sum()).backward()
        assert p.grad is not None
        if bad:
            p.grad[0] = float("inf")
        s.step(optimizer)
        s.update()
        optimizer.zero_grad()
        found.append((s.get_scale(), s.state_dict()["_growth_tracker"]))
    assert found == [(8, 1), (32, 0), (32, 1), (8, 0), (8, 1), (32, 0)]
    s.update(2.0)
    assert s.get_scale() == 2
    twin = scaler()
    twin.load_state_dict(s.state_dict())
    assert twin.get_scale() == 2
    assert pickle.loads(pickle.dumps(s)).get_scale() == 2


def test_what_is_refused() -> None:
    p = torch.nn.Parameter(torch.zeros(2, device="cuda", dtype=torch.float16))
    optimizer = torch.optim.SGD([p], lr=1)
    s = scaler()
    with pytest.raises(AssertionError, match="_scale is None"):
        s.step(optimizer)
    s.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="FP16"):
        s.unscale_(optimizer)
    with pytest.raises(RuntimeError):
        torch._C._cuda_unscale([torch.ones(2)], torch.ones((), device="cuda"), torch.zeros((), device="cuda"))
    with pytest.raises(RuntimeError):
        torch._C._cuda_unscale([], torch.ones(()), torch.zeros(()))


def test_products_are_short_and_sums_are_not() -> None:
    x, w = torch.randn(3, 4, device="cuda"), torch.randn(4, 5, device="cuda")
    for short in (torch.float16, torch.bfloat16):
        with torch.autocast("cuda", dtype=short):
            assert torch.is_autocast_enabled("cuda")
            assert not torch.is_autocast_enabled("cpu")
            y = x @ w
            assert y.dtype == short
            for product in (
                torch.mm(x, w),
                x.matmul(w),
                F.linear(x, w.t()),
                torch.addmm(torch.ones(5, device="cuda"), x, w),
            ):
                assert product.dtype == short
            for precise in (
                y.sum(),
                y.softmax(1),
                F.log_softmax(y, 1),
                y.exp(),
                y.pow(2),
                y**2,
                1 / y,
                y.log(),
            ):
                assert precise.dtype == torch.float32
            for as_given in (y + y, y.relu(), y * 2, y.mean()):
                assert as_given.dtype == short
            assert F.mse_loss(y, y).dtype == torch.float32
            assert F.layer_norm(y, (5,)).dtype == torch.float32
            assert torch.addcmul(y, y, y.float()).dtype == torch.float32
            assert (x.double() @ w.double()).dtype == torch.float64
            # The CPU has a switch of its own.
            assert (x.cpu() @ w.cpu()).dtype == torch.float32
            with torch.autocast("cuda", enabled=False):
                assert (x @ w).dtype == torch.float32
        assert (x @ w).dtype == torch.float32
    with torch.autocast("cuda"):
        assert (x @ w).dtype == torch.float16
    with torch.autocast("cpu"):
        assert (x @ w).dtype == torch.float32
        assert (x.cpu() @ w.cpu()).dtype == torch.bfloat16
    with torch.autocast("cuda"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        F.binary_cross_entropy(torch.rand(3, device="cuda"), torch.rand(3, device="cuda"))
    with pytest.warns(UserWarning, match="not supported"):
        torch.autocast("cuda", dtype=torch.float64)
    with pytest.warns(FutureWarning, match="torch.cuda.amp.autocast"):
        assert torch.cuda.amp.autocast(dtype=torch.bfloat16).fast_dtype == torch.bfloat16


def test_casts_of_parameters_are_kept() -> None:
    layer = nn.Linear(4, 4, device="cuda")
    x = torch.randn(2, 4, device="cuda")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        y = layer(layer(x))
    y.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.is_cuda


def test_training_in_mixed_precision() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.LayerNorm(32), nn.Linear(32, 3))
    x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
    plain = copy.deepcopy(model).cuda()
    model, x, y = model.cuda(), x.cuda(), y.cuda()
    results = []
    for net, mixed in ((plain, False), (model, True)):
        optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
        s = torch.amp.GradScaler("cuda", enabled=mixed)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda", enabled=mixed):
                loss = F.cross_entropy(net(x), y)
            s.scale(loss).backward()
            s.step(optimizer)
            s.update()
            losses.append(loss.item())
        results.append(losses)
    assert results[1][-1] < 0.8 * results[1][0]
    assert results[1] == pytest.approx(results[0], rel=0.02, abs=0.01)
