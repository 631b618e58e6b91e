"""Batch normalisation folded into the layer before it: what it does in evaluation is a scale and a shift."""

from __future__ import annotations

from copy import deepcopy

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.batchnorm import _BatchNorm
from rustnn.nn.conv import _ConvNd
from rustnn.nn.linear import Linear
from rustnn.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fused(
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    eps: float,
    scale: Tensor | None,
    shift: Tensor | None,
    outputs: int,
) -> tuple[Parameter, Parameter]:
    """``outputs`` is the dim of the weight that counts the outputs."""
    factor = _C.rsqrt(running_var + eps)
    if scale is not None:
        factor = factor * scale
    moved = (0 if bias is None else bias) - running_mean
    moved = moved * factor
    if shift is not None:
        moved = moved + shift
    shape = [1] * weight.dim()
    shape[outputs] = -1
    fused = (weight * factor.reshape(shape)).to(weight.dtype)
    dtype, learns = (weight.dtype, False) if bias is None else (bias.dtype, bias.requires_grad)
    return Parameter(fused, weight.requires_grad), Parameter(moved.to(dtype), learns)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution, transposed or not, that normalises too."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that normalises too."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _check(layer: Linear | _ConvNd, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """The statistics; AssertionError unless both layers are in evaluation and there are some."""
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None for fusion")
    return bn.running_mean, bn.running_var


def fuse_conv_bn_eval(conv: _ConvNd, bn: _BatchNorm, transpose: bool = False) -> _ConvNd:
    """A copy of the convolution that does the normalisation too. AssertionError for layers in training."""
    mean, var = _check(conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_eval(linear: Linear, bn: _BatchNorm) -> Linear:
    """A copy of the linear layer that does the normalisation too. AssertionError for layers in training."""
    mean, var = _check(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            f"To fuse, linear.out_features ({linear.out_features}) must be bn.num_features "
            f"({bn.num_features}) or bn.num_features 1"
        )
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias
    )
    return fused
