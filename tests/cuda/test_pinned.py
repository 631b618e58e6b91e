"""Page-locked memory: who has it, copies that nobody waits for, and when a block is given away again."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest

import rustnn as torch
from rustnn.utils.data import DataLoader, TensorDataset

Pair = namedtuple("Pair", ["first", "second"])


def test_tensors_are_pinned() -> None:
    x = torch.randn(5, 3)
    assert not x.is_pinned()
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert pinned.is_cpu
    assert pinned.data_ptr() != x.data_ptr()
    assert torch.equal(pinned, x)
    assert pinned.pin_memory() is pinned
    assert pinned[1:, ::2].is_pinned()
    assert not (pinned + 1).is_pinned()
    assert pinned.untyped_storage().is_pinned()
    assert x.untyped_storage().pin_memory().is_pinned()
    assert pinned.untyped_storage().pin_memory().data_ptr() == pinned.data_ptr()
    assert x.t().pin_memory().stride() == x.t().stride()
    assert x[:, 1:].pin_memory().tolist() == x[:, 1:].tolist()
    assert torch.tensor(2.5).pin_memory().item() == 2.5
    assert torch.empty(0, 3).pin_memory().shape == (0, 3)
    w = torch.ones(3, requires_grad=True)
    (w.pin_memory() * 2).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match=r"cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors"):
        x.cuda().pin_memory()


def test_factories_pin() -> None:
    x = torch.ones(2, 2)
    made = [
        torch.empty(3, pin_memory=True),
        torch.zeros(3, 4, pin_memory=True),
        torch.full((2,), 7, pin_memory=True),
        torch.tensor([1.5, 2], pin_memory=True),
        torch.arange(100, pin_memory=True),
        torch.linspace(0, 1, 5, pin_memory=True),
        torch.eye(3, pin_memory=True),
        torch.rand(3, pin_memory=True),
        torch.randint(5, (3,), pin_memory=True),
        torch.randperm(4, pin_memory=True),
        torch.empty_like(x, pin_memory=True),
        torch.ones_like(x.cuda(), device="cpu", pin_memory=True),
        torch.rand_like(x, pin_memory=True),
        x.new_zeros(3, pin_memory=True),
        torch.empty_strided((2, 2), (1, 2), pin_memory=True),
    ]
    assert all(t.is_pinned() for t in made)
    assert made[1].sum() == 0
    assert made[4].tolist() == list(range(100))
    assert torch.zeros(2, pin_memory=True, requires_grad=True).is_leaf
    assert not torch.zeros(3).is_pinned()
    assert torch.zeros(3, pin_memory=False, device="cuda").is_cuda
    with pytest.raises(RuntimeError, match="Only dense CPU tensors can be pinned"):
        torch.zeros(3, device="cuda", pin_memory=True)
    with pytest.raises(RuntimeError, match="pinned"):
        torch.tensor([1.0], device="cuda", pin_memory=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.complex128, torch.bool], ids=str)
def test_copies_that_nobody_waits_for(dtype: Any) -> None:
    x = (torch.randn(64, 33) * 3).to(dtype)
    pinned = x.pin_memory()
    there = pinned.to("cuda", non_blocking=True)
    assert torch.equal(there.cpu(), x)
    assert torch.equal(pinned.cuda(non_blocking=True).cpu(), x)
    assert torch.equal(pinned.t().to("cuda", non_blocking=True).cpu(), x.t())
    assert torch.equal(pinned[1:, ::2].cuda(non_blocking=True).cpu(), x[1:, ::2])
    assert torch.equal(x.cuda(non_blocking=True).cpu(), x)
    back = there.to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    assert back.is_pinned()
    assert torch.equal(back, x)
    wide = there.to("cpu", torch.complex128, non_blocking=True)
    strided = there.t()[::2].to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    assert torch.equal(wide, x.to(torch.complex128))
    assert torch.equal(strided, x.t()[::2])
    out = torch.empty_like(x, pin_memory=True)
    out.copy_(there, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    assert torch.equal(out, x)
    pageable = torch.empty_like(x)
    pageable.copy_(there, non_blocking=True)
    assert torch.equal(pageable, x)
    assert not there.cpu().is_pinned()


def test_blocks_are_reused_after_their_uses() -> None:
    x = torch.ones(3000, pin_memory=True)
    address = x.data_ptr()
    del x
    assert torch.empty(3000, pin_memory=True).data_ptr() == address
    # Used in two streams: both have to come past it.
    x = torch.empty(3000, pin_memory=True).fill_(3)
    side = torch.cuda.Stream()
    here = x.cuda(non_blocking=True)
    with torch.cuda.stream(side):
        there = x.cuda(non_blocking=True)
    del x
    torch.cuda.synchronize()
    assert here.sum().item() == there.sum().item() == 9000
    assert torch.empty(3000, pin_memory=True).data_ptr() == address


def test_loaders_pin() -> None:
    data = TensorDataset(torch.arange(10.0), torch.arange(10))
    for workers in (0, 1):
        batches = list(DataLoader(data, batch_size=4, pin_memory=True, num_workers=workers))
        assert all(part.is_pinned() for batch in batches for part in batch)
        assert [part.tolist() for part in batches[2]] == [[8.0, 9.0], [8, 9]]
    assert not next(iter(DataLoader(data)))[0].is_pinned()

    class Own:
        def pin_memory(self) -> str:
            return "pinned"

    samples: list[Any] = [
        {"a": torch.ones(2), "b": [torch.ones(1), "text"], "c": Pair(torch.ones(1), 3), "d": Own(), "e": b"x"}
    ]
    (batch,) = DataLoader(samples, batch_size=None, pin_memory=True)
    assert batch["a"].is_pinned()
    assert batch["b"][0].is_pinned()
    assert batch["b"][1] == "text"
    assert batch["c"].first.is_pinned()
    assert type(batch["c"]) is Pair
    assert batch["d"] == "pinned"
    assert batch["e"] == b"x"


def test_saved_tensors_wait_in_pinned_memory() -> None:
    x = torch.randn(4, device="cuda", requires_grad=True)
    with torch.autograd.graph.save_on_cpu(pin_memory=True):
        y = (x * x).exp().sum()
    y.backward()
    expected = (2 * x * (x * x).exp()).detach()
    assert x.grad is not None
    assert torch.allclose(x.grad, expected)
