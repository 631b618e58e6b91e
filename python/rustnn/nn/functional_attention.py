"""Attention as functions: of heads that are given, and with the projections into heads and back."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

scaled_dot_product_attention = _C._nn_scaled_dot_product_attention


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_dims(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, num_heads: int
) -> bool:
    """Whether the arguments have a batch dimension; AssertionError if they do not agree on it."""
    ndim = query.dim()
    _require(
        ndim in (2, 3),
        f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor",
    )
    kind = "batched" if ndim == 3 else "unbatched"
    _require(
        key.dim() == value.dim() == ndim,
        f"{kind} query: expected key and value to be {ndim}-D but found {key.dim()}-D and {value.dim()}-D",
    )
    if padding is not None:
        found = padding.dim()
        _require(
            found == ndim - 1, f"{kind} query: expected key_padding_mask to be {ndim - 1}-D, found {found}-D"
        )
    if mask is not None:
        _require(
            mask.dim() in (2, 3),
            f"{kind} query: expected attn_mask to be 2-D or 3-D but found {mask.dim()}-D",
        )
        if ndim == 2 and mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            _require(
                mask.shape == expected, f"Expected attn_mask shape to be {expected} but got {mask.shape}"
            )
    return ndim == 3


def _additive(mask: Tensor, name: str, dtype: Any) -> Tensor:
    """A mask to add to the scores. True in a bool mask hides a key."""
    if mask.dtype == _C.bool:
        return _C.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))
    _require(mask.is_floating_point(), f"only bool and floating types of {name} are supported")
    return mask


def _append(tensor: Tensor, more: Tensor | None, dim: int) -> Tensor:
    """With ``more``, or else with one zero, behind the end of a dimension."""
    if more is None:
        sizes = list(tensor.shape)
        sizes[dim] = 1
        more = _C.zeros(sizes, dtype=tensor.dtype, device=tensor.device)
    return _C.cat([tensor, more], dim)


def _project(
    inputs: tuple[Tensor, Tensor, Tensor],
    packed: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None] | None,
    bias: Tensor | None,
    is_self: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, from one weight for all three or from three."""
    if separate is None:
        if packed is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if is_self:
            query, key, value = _C.linear(inputs[0], packed, bias).chunk(3, -1)
            return query, key, value
        weights: tuple[Any, ...] = packed.chunk(3)
    else:
        for name, weight, given in zip("qkv", separate, inputs, strict=True):
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
            expected = (inputs[0].size(-1), given.size(-1))
            _require(
                weight.shape == expected,
                f"expecting {name}_proj_weight to have the shape {expected}, but got {weight.shape}",
            )
        weights = separate
    biases: tuple[Any, ...] = (None, None, None) if bias is None else bias.chunk(3)
    query, key, value = (_C.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
    return query, key, value


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads with its projections (Vaswani et al., 2017); see ``nn.MultiheadAttention``.

    query (L, N, E), key (S, N, E) and value (S, N, E), or all without N: the result (L, N, E), and the
    weights (N, L, S), or (N, heads, L, S) if they are not averaged, or None. ``attn_mask`` is (L, S) or
    (N * heads, L, S), ``key_padding_mask`` (N, S); True, or what is added to the scores. ``is_causal`` says
    that ``attn_mask`` is the causal one, which then need not be read.
    AssertionError or RuntimeError for shapes that do not fit.
    """
    is_batched = _check_dims(query, key, value, key_padding_mask, attn_mask, num_heads)
    is_self = query is key and key is value
    if not is_batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
        import warnings

        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. "
            "Use same type for both instead.",
            stacklevel=2,
        )
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    # Weights are computed with the mask; so is what other masks are added to.
    by_hint = is_causal and key_padding_mask is None and not need_weights
    if by_hint:
        attn_mask = None
    _require(
        width == embed_dim_to_check,
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}",
    )
    head_width = width // num_heads
    _require(head_width * num_heads == width, f"embed_dim {width} not divisible by num_heads {num_heads}")
    # Three weights may take widths of their own.
    agree = key.shape[:2] == value.shape[:2] and (use_separate_proj_weight or key.shape == value.shape)
    _require(agree, f"key shape {key.shape} does not match value shape {value.shape}")

    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project((query, key, value), in_proj_weight, separate, in_proj_bias, is_self)

    mask = None
    if attn_mask is not None:
        mask = _additive(attn_mask, "attn_mask", query.dtype)
        heads = (batch * num_heads, length, key.shape[0])
        expected = heads[mask.dim() == 2 :]
        if mask.shape != expected:
            raise RuntimeError(
                f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {expected}."
            )
        mask = (
            mask.reshape(1, 1, *expected)
            if mask.dim() == 2
            else mask.reshape(batch, num_heads, *expected[1:])
        )
    padding = None
    if key_padding_mask is not None:
        padding = _additive(key_padding_mask, "key_padding_mask", query.dtype)

    _require((bias_k is None) == (bias_v is None), "bias_k and bias_v have to be given both or neither")
    added = 0
    if bias_k is not None and bias_v is not None:
        _require(static_k is None, "bias cannot be added to static key.")
        _require(static_v is None, "bias cannot be added to static value.")
        k = _append(k, bias_k.expand(1, batch, width), 0)
        v = _append(v, bias_v.expand(1, batch, width), 0)
        added += 1

    def split(x: Tensor, static: Tensor | None, name: str) -> Tensor:
        """(length, N, E) as (N, heads, length, E / heads)."""
        if static is None:
            return (
                x.reshape(x.shape[0], batch * num_heads, head_width)
                .transpose(0, 1)
                .unflatten(0, (batch, num_heads))
            )
        expected = (batch * num_heads, head_width)
        _require(
            (static.shape[0], static.shape[2]) == expected,
            f"expecting {name} of sizes {expected[0]} and {expected[1]}, but got {static.shape}",
        )
        return static.reshape(batch, num_heads, static.shape[1], head_width)

    q, k, v = split(q, None, "query"), split(k, static_k, "static_k"), split(v, static_v, "static_v")
    if add_zero_attn:
        k, v = _append(k, None, 2), _append(v, None, 2)
        added += 1
    for _ in range(added):
        mask = mask if mask is None else _append(mask, None, 3)
        padding = padding if padding is None else _append(padding, None, 1)
    if padding is not None:
        expected = (batch, k.shape[2])
        _require(
            padding.shape == expected,
            f"expecting key_padding_mask shape of {expected}, but got {padding.shape}",
        )
        padding = padding.reshape(batch, 1, 1, k.shape[2])
        mask = padding if mask is None else mask + padding

    rate = dropout_p if training else 0.0
    weights: Tensor | None = None
    if need_weights:
        scores = (q * (1.0 / head_width) ** 0.5) @ k.transpose(-2, -1)
        if mask is not None:
            scores = scores + mask
        weights = scores.softmax(-1)
        if rate > 0.0:
            weights = _C.dropout(weights, rate, True)
        heads_out = weights @ v
        if average_attn_weights:
            weights = weights.mean(1)
        if not is_batched:
            weights = weights.squeeze(0)
    else:
        heads_out = scaled_dot_product_attention(q, k, v, mask, rate, by_hint)
    joined = heads_out.permute(2, 0, 1, 3).reshape(length * batch, width)
    output = _C.linear(joined, out_proj_weight, out_proj_bias)
    output = output.reshape(length, batch, output.shape[1])
    return (output if is_batched else output.squeeze(1)), weights
