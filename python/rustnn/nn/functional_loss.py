"""Losses as functions: how far a prediction is from the target, as one number or one an element."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.functional import broadcast_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
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
        return _reduce_weighted(_C._nn_mse_loss(input, target, 0), weight, code)
    return _C._nn_mse_loss(input, target, code)


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
    if weight is not None:
        return _reduce_weighted(_C._nn_l1_loss(input, target, 0), weight, code)
    return _C._nn_l1_loss(input, target, code)


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
    return _C._nn_smooth_l1_loss(input, target, code, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """A parabola where ``|input - target| <= delta``, a straight line beyond; reduced.

    RuntimeError if delta <= 0.
    """
    code = reduction_code(reduction)
    input, target = _broadcast(input, target, weight)
    if weight is not None:
        return _reduce_weighted(_C._nn_huber_loss(input, target, 0, delta), weight, code)
    return _C._nn_huber_loss(input, target, code, delta)


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
    return _C._nn_nll_loss(input, target, weight, _code(size_average, reduce, reduction), ignore_index)


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
    return _C._nn_cross_entropy(input, target, weight, code, ignore_index, label_smoothing)


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
    return _C._nn_binary_cross_entropy(input, target, weight, code)


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
    return _C.binary_cross_entropy_with_logits(input, target, weight, pos_weight, code)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log target - input)``: Kullback and Leibler's divergence for log-probabilities ``input``.

    With ``log_target`` the target is a logarithm too. Only "batchmean" is the divergence of distributions:
    "mean" is over the elements.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        import warnings

        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    code = 2 if reduction == "batchmean" else reduction_code(reduction)
    loss = _C.kl_div(input, target, code, log_target=log_target)
    return loss / input.size()[0] if reduction == "batchmean" and input.dim() != 0 else loss


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of counts under Poisson distributions of mean ``exp(input)``, or ``input``.

    ``full`` adds Stirling's approximation of log(target!).
    """
    code = _code(size_average, reduce, reduction)
    return _C.poisson_nll_loss(input, target, log_input, full, eps, code)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability under normal distributions of mean ``input`` and variance ``var``.

    ``var`` is of the input's shape, or lacks its last dim, or has size 1 in one dim; it counts as at least
    ``eps``. ``full`` adds log(2π) / 2. ValueError for other shapes and negative variances.
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * _C.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if input.size()[:-1] == var.size():
        var = var.unsqueeze(-1)
    elif var.size() != input.size():
        other = [v for i, v in zip(input.size(), var.size(), strict=False) if i != v]
        if var.dim() != input.dim() or other != [1]:
            raise ValueError("var is of incorrect size")
    code = reduction_code(reduction)
    limited = var.clone()
    with no_grad():
        limited.clamp_(min=eps)
    loss = 0.5 * (limited.log() + (input - target) ** 2 / limited)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, code)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The input where the target is 1, ``max(0, margin - input)`` where it is -1; reduced."""
    return _C.hinge_embedding_loss(input, target, margin, _code(size_average, reduce, reduction))


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cosine where the target is 1, ``max(0, cosine - margin)`` where it is -1; reduced.

    ``input1`` and ``input2`` (N, D) with ``target`` (N), or (D) with ().
    """
    return _C.cosine_embedding_loss(input1, input2, target, margin, _code(size_average, reduce, reduction))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)``, reduced."""
    code = _code(size_average, reduce, reduction)
    return _C.margin_ranking_loss(input1, input2, target, margin, code)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))``, reduced."""
    return _C._nn_soft_margin_loss(input, target, _code(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, distance(anchor, positive) - distance(anchor, negative) + margin)``, reduced.

    Distances are p-norms along the last dim. With ``swap`` the negative's distance to the positive counts
    if it is smaller. ValueError if margin <= 0.
    """
    code = _code(size_average, reduce, reduction)
    return _C.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, code)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with a distance of one's own; without one, ``pairwise_distance``."""
    code = reduction_code(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = _C.pairwise_distance if distance_function is None else distance_function
    if anchor.ndim != positive.ndim or anchor.ndim != negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    if swap:
        to_negative = _C.minimum(to_negative, distance(positive, negative))
    return _reduce((margin + to_positive - to_negative).clamp_min(0), code)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the other classes of ``max(0, margin - input[target] + input)**p``, reduced.

    ``input`` (N, C) or (C), ``target`` of class numbers, p 1 or 2, ``weight`` (C). ValueError for another p.
    """
    code = _code(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return _C._nn_multi_margin_loss(input, target, p, margin, weight, code)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, 1 - input[a] + input[b])`` over all target classes a and other classes b, over C; reduced.

    ``input`` (N, C) or (C); each row of ``target`` lists classes up to the first -1.
    """
    return _C._nn_multilabel_margin_loss(input, target, _code(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes of ``binary_cross_entropy_with_logits``, reduced over the batch."""
    code = _code(size_average, reduce, reduction)
    loss = -(target * _C._nn_logsigmoid(input) + (1 - target) * _C._nn_logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(-1) / input.size(-1), code)
