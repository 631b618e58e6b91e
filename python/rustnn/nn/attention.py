"""Attention of several heads as a layer."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn import init
from rustnn.nn.linear import NonDynamicallyQuantizableLinear
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Every head weighs the values by how its queries fit the keys (Vaswani et al., 2017).

    Query (L, N, E), key (S, N, kdim), value (S, N, vdim), N first with ``batch_first``, or all without N. The
    result is (L, N, E) and, with ``need_weights``, the weights (N, L, S), or (N, heads, L, S) where
    ``average_attn_weights`` is False. ``attn_mask`` (L, S) or (N * heads, L, S) and ``key_padding_mask``
    (N, S): True where not to look, or numbers that are added to the scores. ``is_causal`` says that
    ``attn_mask`` is the causal one.
    ValueError for sizes that are not positive, AssertionError where ``num_heads`` does not divide
    ``embed_dim``.
    """

    in_proj_weight: Parameter | Any
    in_proj_bias: Parameter | Any
    q_proj_weight: Parameter | Any
    k_proj_weight: Parameter | Any
    v_proj_weight: Parameter | Any
    bias_k: Parameter | Any
    bias_v: Parameter | Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        if embed_dim % num_heads != 0:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn

        def parameter(wanted: bool, *shape: int) -> Parameter | None:
            return Parameter(_C.empty(shape, device=device, dtype=dtype)) if wanted else None

        # One matrix for all three where they are as wide as each other; registered in PyTorch's order.
        one = self._qkv_same_embed_dim
        weights = {
            "in_proj_weight": parameter(one, 3 * embed_dim, embed_dim),
            "q_proj_weight": parameter(not one, embed_dim, embed_dim),
            "k_proj_weight": parameter(not one, embed_dim, self.kdim),
            "v_proj_weight": parameter(not one, embed_dim, self.vdim),
        }
        for name in sorted(weights, key=lambda name: weights[name] is None):
            self.register_parameter(name, weights[name])
        self.register_parameter("in_proj_bias", parameter(bias, 3 * embed_dim))
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        self.bias_k = parameter(add_bias_kv, 1, 1, embed_dim)
        self.bias_v = parameter(add_bias_kv, 1, 1, embed_dim)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw all but the last projection anew: weights after Xavier, biases zero."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            assert self.out_proj.bias is not None
            init.constant_(self.out_proj.bias, 0.0)
        for weight in (self.bias_k, self.bias_v):
            if weight is not None:
                init.xavier_normal_(weight)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turn = self.batch_first and query.dim() == 3
        if turn:
            # One tensor stays one, so that it is projected at once.
            same_key, same_value = key is query, value is key
            query = query.transpose(1, 0)
            key = query if same_key else key.transpose(1, 0)
            value = key if same_value else value.transpose(1, 0)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if turn else output), weights


def __getattr__(name: str) -> Any:
    # PyTorch has the choice of kernels in a module of this name.
    if name in ("SDPBackend", "sdpa_kernel"):
        from rustnn.nn import attention_backends

        return getattr(attention_backends, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
