"""What each kind of layer is and expects, in a few words, for the note on errors: see ``error_note``."""

from __future__ import annotations

from rustnn.nn.parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.nn.module import Module

__all__ = ["expectation"]

_SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}


def expectation(module: Module) -> tuple[str, str]:
    """(settings that tell the layer from others of its kind, what it expects); both may be empty."""
    if any(is_lazy(parameter) for parameter in module._parameters.values()):
        return "", ""  # it takes what comes
    for kind in type(module).__mro__:
        if kind.__module__.startswith("rustnn.nn.") and kind.__name__ in _EXPECTATIONS:
            return _EXPECTATIONS[kind.__name__](module)
    return "", ""


def _sizes(values: Any) -> str:
    return "x".join(str(n) for n in values)


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def _with_batch(channels: Any, n: int, batch: str = "N") -> str:
    return f"[{batch}, {channels}, {_SPACE[n]}] or [{channels}, {_SPACE[n]}]"


def _at_least(n: int, sizes: tuple[int, ...]) -> str:
    """Conditions on the sizes in space, those that say something."""
    names = _SPACE[n].split(", ")
    found = [f"{name} >= {size}" for name, size in zip(names, sizes, strict=True) if size > 1]
    return " with " + " and ".join(found) if found else ""


# ---- linear ------------------------------------------------------------------------------------------------


def _linear(m: Any) -> tuple[str, str]:
    return f"{m.in_features} -> {m.out_features}", f"last dimension {m.in_features}"


def _bilinear(m: Any) -> tuple[str, str]:
    sizes = f"{m.in1_features}, {m.in2_features}"
    return f"{sizes} -> {m.out_features}", f"last dimensions {sizes.replace(', ', ' and ')}"


# ---- convolution and pooling -------------------------------------------------------------------------------


def _smallest(kernel: Any, padding: Any, dilation: Any, n: int) -> tuple[int, ...]:
    """The smallest input that the window fits into once it is padded."""
    if isinstance(padding, str):
        padding = 0 if padding == "valid" else None
    if padding is None:
        return (1,) * n
    sides = zip(_tuple(kernel, n), _tuple(padding, n), _tuple(dilation, n), strict=True)
    return tuple(d * (k - 1) + 1 - 2 * p for k, p, d in sides)


def _conv(m: Any) -> tuple[str, str]:
    n = len(m.kernel_size)
    settings = f"{m.in_channels} -> {m.out_channels}, kernel {_sizes(m.kernel_size)}"
    expected = f"input {_with_batch(m.in_channels, n)}"
    if not m.transposed:
        expected += _at_least(n, _smallest(m.kernel_size, m.padding, m.dilation, n))
    return settings, expected


def _pool(n: int) -> Callable[[Any], tuple[str, str]]:
    def describe(m: Any) -> tuple[str, str]:
        kernel = _tuple(m.kernel_size, n)
        smallest = _smallest(kernel, getattr(m, "padding", 0), getattr(m, "dilation", 1), n)
        return f"kernel {_sizes(kernel)}", f"input {_with_batch('C', n)}{_at_least(n, smallest)}"

    return describe


def _unpool(n: int) -> Callable[[Any], tuple[str, str]]:
    return lambda m: (
        f"kernel {_sizes(_tuple(m.kernel_size, n))}",
        f"input {_with_batch('C', n)} and indices of the same shape",
    )


def _adaptive_pool(n: int) -> Callable[[Any], tuple[str, str]]:
    return lambda m: (f"to {_sizes(_tuple(m.output_size, n))}", f"input {_with_batch('C', n)}")


def _pixels(grows: bool) -> Callable[[Any], tuple[str, str]]:
    def describe(m: Any) -> tuple[str, str]:
        factor = m.upscale_factor if grows else m.downscale_factor
        return f"by {factor}", (
            f"input [..., C, H, W] with C a multiple of {factor * factor}"
            if grows
            else f"input [..., C, H, W] with H and W multiples of {factor}"
        )

    return describe


# ---- normalisation -----------------------------------------------------------------------------------------


def _batch_norm(shapes: str) -> Callable[[Any], tuple[str, str]]:
    def describe(m: Any) -> tuple[str, str]:
        several = ", more than one value per channel" if m.training else ""
        return str(m.num_features), f"input {shapes.replace('C', str(m.num_features))}{several}"

    return describe


def _instance_norm(n: int) -> Callable[[Any], tuple[str, str]]:
    return lambda m: (str(m.num_features), f"input {_with_batch(m.num_features, n)}")


def _group_norm(m: Any) -> tuple[str, str]:
    return f"{m.num_channels} in {m.num_groups} groups", f"input [N, {m.num_channels}, ...]"


def _prelu(m: Any) -> tuple[str, str]:
    n = m.num_parameters
    return str(n), f"input [N, {n}, ...]" if n != 1 else "any input"


def _row_norm(m: Any) -> tuple[str, str]:
    shape = tuple(m.normalized_shape)
    sizes = ", ".join(map(str, shape))
    return sizes, f"last dimension {sizes}" if len(shape) == 1 else f"last dimensions [{sizes}]"


# ---- embeddings, recurrence, attention ---------------------------------------------------------------------


def _embedding(m: Any) -> tuple[str, str]:
    return f"{m.num_embeddings} x {m.embedding_dim}", f"integers from 0 to {m.num_embeddings - 1}"


def _recurrent(m: Any) -> tuple[str, str]:
    batched = f"[N, L, {m.input_size}]" if m.batch_first else f"[L, N, {m.input_size}]"
    layers = m.num_layers * (2 if m.bidirectional else 1)
    hidden = f"[{layers}, N, {m.proj_size or m.hidden_size}]"
    if m.mode == "LSTM":
        hidden = f"({hidden}, [{layers}, N, {m.hidden_size}])"
    return f"{m.input_size} -> {m.hidden_size}", f"input {batched} or [L, {m.input_size}], hx {hidden}"


def _cell(m: Any) -> tuple[str, str]:
    hidden = f"[N, {m.hidden_size}]"
    if type(m).__name__ == "LSTMCell":
        hidden = f"({hidden}, {hidden})"
    return (
        f"{m.input_size} -> {m.hidden_size}",
        f"input [N, {m.input_size}] or [{m.input_size}], hx {hidden}",
    )


def _order(batch_first: bool, length: str, width: Any) -> str:
    return f"[N, {length}, {width}]" if batch_first else f"[{length}, N, {width}]"


def _attention(m: Any) -> tuple[str, str]:
    parts = (("query", "L", m.embed_dim), ("key", "S", m.kdim), ("value", "S", m.vdim))
    shapes = ", ".join(f"{name} {_order(m.batch_first, length, width)}" for name, length, width in parts)
    return f"{m.embed_dim}, {m.num_heads} heads", shapes


def _encoder_layer(m: Any) -> tuple[str, str]:
    attention = m.self_attn
    return str(attention.embed_dim), f"src {_order(attention.batch_first, 'S', attention.embed_dim)}"


def _decoder_layer(m: Any) -> tuple[str, str]:
    first, width = m.self_attn.batch_first, m.self_attn.embed_dim
    return str(width), f"tgt {_order(first, 'T', width)}, memory {_order(first, 'S', width)}"


def _transformer(m: Any) -> tuple[str, str]:
    first, width = m.batch_first, m.d_model
    return str(width), f"src {_order(first, 'S', width)}, tgt {_order(first, 'T', width)}"


_EXPECTATIONS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "Linear": _linear,
    "Bilinear": _bilinear,
    "_ConvNd": _conv,
    "BatchNorm1d": _batch_norm("[N, C] or [N, C, L]"),
    "BatchNorm2d": _batch_norm("[N, C, H, W]"),
    "BatchNorm3d": _batch_norm("[N, C, D, H, W]"),
    "SyncBatchNorm": _batch_norm("[N, C, ...]"),
    "InstanceNorm1d": _instance_norm(1),
    "InstanceNorm2d": _instance_norm(2),
    "InstanceNorm3d": _instance_norm(3),
    "GroupNorm": _group_norm,
    "LayerNorm": _row_norm,
    "RMSNorm": _row_norm,
    "PReLU": _prelu,
    "PixelShuffle": _pixels(grows=True),
    "PixelUnshuffle": _pixels(grows=False),
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    "RNNBase": _recurrent,
    "RNNCellBase": _cell,
    "MultiheadAttention": _attention,
    "TransformerEncoderLayer": _encoder_layer,
    "TransformerDecoderLayer": _decoder_layer,
    "Transformer": _transformer,
}
for _n in (1, 2, 3):
    for _name in ("MaxPool", "AvgPool", "LPPool", "FractionalMaxPool"):
        _EXPECTATIONS[f"{_name}{_n}d"] = _pool(_n)
    _EXPECTATIONS[f"MaxUnpool{_n}d"] = _unpool(_n)
    for _name in ("AdaptiveAvgPool", "AdaptiveMaxPool"):
        _EXPECTATIONS[f"{_name}{_n}d"] = _adaptive_pool(_n)
