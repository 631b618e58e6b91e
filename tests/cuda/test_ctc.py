"""The CTC loss on a GPU against the CPU: every argument, long targets, repeated labels, gradients that repeat."""

from __future__ import annotations

from typing import Any

import pytest
from layers import check, results

import rustnn as torch
from rustnn.nn import functional as F

PADDED = torch.tensor([[1, 3, 1, 0], [3, 3, 3, 2]])


def logits(*sizes: int, dtype: Any = torch.float64) -> Any:
    torch.manual_seed(1)
    return torch.randn(*sizes, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arguments(dtype: Any) -> None:
    x = logits(9, 2, 5, dtype=dtype)
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (PADDED, ((9, 9), (3, 4)), {}),
        (PADDED, ((9, 7), (3, 2)), {"reduction": "sum"}),
        (PADDED, ((9, 7), (0, 2)), {"reduction": "none"}),
        (PADDED, ((0, 0), (0, 2)), {"reduction": "none"}),
        (PADDED, ((9, 4), (2, 4)), {"reduction": "none"}),
        (PADDED, ((9, 4), (2, 4)), {"reduction": "mean", "zero_infinity": True}),
        (PADDED + 1, ((9, 8), (3, 4)), {"blank": 0}),
        (PADDED, ((9, 8), (3, 3)), {"blank": 3}),
        (PADDED.flatten(), ((9, 8), (4, 4)), {"blank": 4}),
        (PADDED.flatten()[:5], ((9, 8), (2, 3)), {}),
        (PADDED.t().contiguous().t().int(), ((9, 8), (2, 3)), {}),
        (PADDED[:, :0], ((9, 8), (0, 0)), {}),
    ]
    for targets, lengths, options in calls:
        check(
            lambda x, targets, lengths=lengths, options=options: F.ctc_loss(
                x.log_softmax(2), targets, *lengths, **options
            ),
            x,
            targets,
        )
    check(
        lambda x, n, a, b: F.ctc_loss(x.log_softmax(2), n, a, b),
        x,
        PADDED,
        torch.tensor([9, 8]),
        torch.tensor([2, 3]),
    )
    # Lengths on the host, and targets, as PyTorch allows them for its other implementation.
    one = F.ctc_loss(x.cuda().log_softmax(2), PADDED, torch.tensor([9, 8]), torch.tensor([2, 3]))
    assert one.item() == pytest.approx(F.ctc_loss(x.log_softmax(2), PADDED, (9, 8), (2, 3)).item(), rel=1e-5)
    check(lambda x, n: F.ctc_loss(x[:, 0].log_softmax(1), n[0, :3], (9,), (3,), reduction="none"), x, PADDED)


def test_long_targets_and_many_classes() -> None:
    torch.manual_seed(2)
    for length, classes, time in ((140, 30, 320), (600, 4, 1300)):
        x, n = logits(time, 2, classes), torch.randint(1, classes, (2, length))
        check(
            lambda x, n, time=time, length=length: F.ctc_loss(
                x.log_softmax(2), n, (time, time - 3), (length, length // 2), reduction="sum"
            ),
            x,
            n,
        )
    x, n = logits(8, 3, 700), torch.randint(1, 700, (3, 3))
    check(lambda x, n: F.ctc_loss(x.log_softmax(2), n, (8, 8, 7), (3, 2, 3)), x, n)


def test_gradients_repeat() -> None:
    x, n = logits(60, 2, 9, dtype=torch.float32), torch.ones(2, 20, dtype=torch.int64)

    def gradient() -> Any:
        return results(lambda x, n: F.ctc_loss(x.log_softmax(2), n, (60, 60), (20, 18)), (x, n), "cuda")[1]

    assert torch.equal(gradient(), gradient())


def test_bad_calls() -> None:
    x = torch.zeros(5, 1, 4).cuda()
    for label in (4, -1):
        with pytest.raises(IndexError, match="ctc_loss"):
            F.ctc_loss(x, torch.tensor([[label]]).cuda(), (5,), (1,)).item()
    for call in (
        lambda: F.ctc_loss(x, torch.tensor([[1]]).cuda(), (6,), (1,)),
        lambda: F.ctc_loss(x, torch.tensor([[1]]).cuda(), (5,), (2,)),
        lambda: F.ctc_loss(x, torch.tensor([[1]]).cuda(), (5,), (1,), blank=4),
        lambda: F.ctc_loss(x.half(), torch.tensor([[1]]).cuda(), (5,), (1,)),
    ):
        with pytest.raises((RuntimeError, NotImplementedError)):
            call()
    assert torch.ones(2).cuda().sum().item() == 2
