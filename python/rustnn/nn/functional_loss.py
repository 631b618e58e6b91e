"""Losses as functions: how far a prediction is from the target, as one number or one an element."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.functional import broadcast_tensors

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]

_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def reduction_code(reduction: str) -> int:
    """The number by which the engine knows a reduction. ValueError for a name that is none."""
    code = _REDUCTIONS.get(reduction)
    if code is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return code


def legacy_reduction(size_average: bool | None, reduce: bool | None, stacklevel: int = 4) -> str:
    """The reduction that the two old arguments mean, with PyTorch's warning."""
    name = "none" if reduce is False else "sum" if size_average is False else "mean"
    import warnings

    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{name}' instead.",
        stacklevel=stacklevel,
    )
    return name


def _code(size_average: bool | None, reduce: bool | None, reduction: str) -> int:
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return reduction_code(reduction)


def _reduce(loss: Tensor, code: int) -> Tensor:
    if code == 1:
        return loss.mean()
    return loss.sum() if code == 2 else loss


def _reduce_weighted(loss: Tensor, weight: Tensor, code: int) -> Tensor:
    """The mean over weighted elements is over the sum of the weights."""
    loss = loss * weight
    return loss.sum() / weight.expand_as(loss).sum() if code == 1 else _reduce(loss, code)


def _broadcast(input: Tensor, target: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Both in one shape, with a warning if they were not."""
    if target.shape != input.shape:
        import warnings

        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        input, target = broadcast_tensors(input, target)
    if weight is not None and weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    return input, target


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target)²``, reduced by "mean", "sum" or "none"."""
    code = _code(size_average, reduce, reduction)
    input, target = _broadcast(input, target, weight)
    if weight is not None:
        return _reduce_weighted(_C.mse_loss(input, target, 0), weight, code)
    return _C.mse_loss(input, target, code)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|input - target|``, reduced."""
    code = _code(size_average, reduce, reduction)
    input, target = _broadcast(input, target, weight)
    loss = (input - target).abs()
    return _reduce(loss, code) if weight is None else _reduce_weighted(loss, weight, code)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """A parabola where ``|input - target| < beta``, a straight line beyond; reduced.

    RuntimeError if beta < 0.
    """
    code = _code(size_average, reduce, reduction)
    input, target = _broadcast(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    distance = (input - target).abs()
    if beta == 0.0:
        return _reduce(distance, code)
    return _reduce(_C.where(distance < beta, distance * distance * (0.5 / beta), distance - 0.5 * beta), code)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the target class.

    ``input`` (N, C, ...) or (C), ``target`` of class numbers.
    """
    return _C.nll_loss(input, target, weight, _code(size_average, reduce, reduction), ignore_index)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``nll_loss`` of ``log_softmax(input)``.

    Takes raw outputs (N, C, ...) and class numbers, or probabilities.
    """
    code = _code(size_average, reduce, reduction)
    return _C.cross_entropy_loss(input, target, weight, code, ignore_index, label_smoothing)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(t log x + (1 - t) log(1 - x))`` for probabilities x, the logarithms cut at -100; reduced.

    ValueError for two shapes, RuntimeError for elements outside [0, 1].
    """
    code = _code(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    for name, tensor in (("input", input), ("target", target)):
        values = tensor.detach()
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    loss = -(target * _bounded_log(input) + (1 - target) * _bounded_log(1 - input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss, code)


def _bounded_log(x: Tensor) -> Tensor:
    """log x, and -100 (with gradient 0, not NaN) where x is 0."""
    positive = x > 0
    return _C.where(positive, _C.where(positive, x, 1.0).log().clamp(min=-100.0), -100.0)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy`` of ``sigmoid(input)``, without its overflow.

    ``pos_weight`` weighs the positives.
    """
    code = _code(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    magnitude = input.abs()
    # -log(sigmoid(x)) = log(1 + exp(-|x|)) + max(-x, 0), with the maximum written so that its slope at 0
    # is -1/2.
    minus_log_sigmoid = (-magnitude).exp().log1p() + 0.5 * (magnitude - input)
    if pos_weight is not None:
        minus_log_sigmoid = minus_log_sigmoid * (1 + (pos_weight - 1) * target)
    loss = (1 - target) * input + minus_log_sigmoid
    if weight is not None:
        loss = loss * weight
    return _reduce(loss, code)
