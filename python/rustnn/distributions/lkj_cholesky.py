"""The LKJ distribution of correlation matrices."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.beta import Beta
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all, eps_and_tiny
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """The Cholesky factor of a `dim` x `dim` correlation matrix M of density proportional to det(M)^(c - 1).

    c is `concentration`: 1 is uniform, larger is nearer to the identity. Lewandowski, Kurowicka and Joe,
    "Generating random correlation matrices based on vines and extended onion method" (2009); drawn row by row
    by the onion method. ValueError for a dim below 2.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Tensor | float = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        batch_shape = self.concentration.size()
        event_shape = Size((dim, dim))
        # The squared length of each row before its diagonal.
        dtype, device = self.concentration.dtype, self.concentration.device
        marginal = self.concentration + 0.5 * (self.dim - 2)
        offset = _C.arange(self.dim - 1, dtype=dtype, device=device)
        offset = _C.cat([offset.new_zeros((1,)), offset])
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(batch_shape, event_shape, validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        new = self._get_checked_instance(LKJCholesky, _instance)
        batch_shape = Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        new._beta = self._beta.expand(batch_shape + Size((self.dim,)))
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        length = self._beta.sample(sample_shape).unsqueeze(-1)
        shape = self._extended_shape(sample_shape)
        normal = _C.randn(shape, dtype=length.dtype, device=length.device).tril(-1)
        direction = normal / normal.pow(2).sum(-1, keepdim=True).sqrt()
        # The first row has nothing before its diagonal.
        direction[..., 0, :] = 0.0
        w = _C.sqrt(length) * direction
        tiny = eps_and_tiny(w.dtype)[1]
        diagonal = _C.clamp(1 - w.pow(2).sum(dim=-1), min=tiny).sqrt()
        return w + _C.diag_embed(diagonal)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = _C.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        density = _C.sum(order * diagonal.log(), dim=-1)
        rows = self.dim - 1
        alpha = self.concentration + 0.5 * rows
        norm = 0.5 * rows * math.log(math.pi) + _C.mvlgamma(alpha - 0.5, rows) - _C.lgamma(alpha) * rows
        return density - norm
