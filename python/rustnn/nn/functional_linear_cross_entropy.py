"""A linear layer and the cross entropy of its outputs in one function, in chunks of rows if asked."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.functional_loss import cross_entropy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.nn.linear_cross_entropy_options import LinearCrossEntropyOptions

__all__ = ["linear_cross_entropy"]

_REDUCTIONS = ("mean", "sum", "none")


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target, ...)``.

    Takes (in_features) or (N, in_features), weights (C, *, in_features), biases (C, *), and class numbers
    (N, *) or probabilities (N, C, *). With ``options``, class numbers and no further dims, the rows are taken
    in chunks. RuntimeError for sizes that do not go together, and for ``ignore_index`` with probabilities.
    """
    classes, further = _checked_sizes(input, linear_weight, linear_bias)
    shape = (*input.shape[:-1], classes, *further)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        possible = reduction in _REDUCTIONS and label_smoothing == 0.0 and not further
        if possible and target.dtype == _C.int64:
            rows, targets = (input, target) if input.dim() == 2 else (input.unsqueeze(0), target.unsqueeze(0))
            loss = _by_chunks(rows, linear_weight, targets, linear_bias, weight, reduction, ignored, options)
            return loss if input.dim() == 2 or reduction != "none" else loss.squeeze(0)
        import warnings

        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
            "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == (). Got "
            f"reduction={reduction!r}, label_smoothing={label_smoothing}, target.dtype={target.dtype}, "
            f"out_features={further}, tracing=False, linear_bias.shape="
            f"{tuple(linear_bias.shape) if linear_bias is not None else None}.",
            stacklevel=2,
        )
    if further:
        outputs = math.prod(further, start=classes)
        linear_weight = linear_weight.reshape(outputs, -1)
        if linear_bias is not None:
            linear_bias = linear_bias.reshape(outputs)
    logits = _C.linear(input, linear_weight, linear_bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=ignored,
        label_smoothing=label_smoothing,
    )


def _checked_sizes(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[int, tuple[int, ...]]:
    """The number of classes, and the further dims of the loss."""
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.dim()}")
    features = input.shape[-1]
    if features != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {weight.shape[-1]}, respectively"
        )
    classes, *between = weight.shape[:-1]
    further = tuple(between)
    if bias is not None and tuple(bias.shape) != (classes, *further):
        raise RuntimeError(f"expected linear_bias shape {(classes, *further)}, got {tuple(bias.shape)}")
    if further and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched "
            f"input, (N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    return classes, further


def _by_chunks(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignored: int,
    options: LinearCrossEntropyOptions,
) -> Tensor:
    from rustnn.nn.linear_cross_entropy_options import LinearCrossEntropyOptions

    rows, features = input.shape
    classes = linear_weight.shape[0]
    chosen = LinearCrossEntropyOptions._adjust(options, rows, features, classes, input.dtype, input.device)
    wide = chosen.acc_dtype
    if wide != input.dtype and not (input.dtype in (_C.float16, _C.bfloat16) and wide == _C.float32):
        raise RuntimeError(
            "linear_cross_entropy supports float32 acc_dtype with float16/bfloat16 inputs, but got "
            f"{wide} acc_dtype and {input.dtype} inputs."
        )
    if target.dim() != 1:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if target.shape[0] != rows:
        raise RuntimeError(f"expected {rows} targets, one a row of the input, got {target.shape[0]}")
    from rustnn.nn.chunked_cross_entropy import ChunkedCrossEntropy

    loss: Any = ChunkedCrossEntropy.apply(
        input, linear_weight, bias, target, weight, reduction, ignored, chosen, _C.is_grad_enabled()
    )
    result: Tensor = loss
    return result
