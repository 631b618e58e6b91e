"""The CTC loss as a function."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["ctc_loss"]

_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """How unlikely ``targets`` are under all alignments with ``log_probs`` (T, N, C) or (T, C).

    ``targets`` is (N, S), or all targets one after the other; lengths are tensors or tuples. With
    ``zero_infinity`` targets that have no alignment count 0. See ``nn.CTCLoss``.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _C.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _REDUCTIONS[reduction], zero_infinity
    )
