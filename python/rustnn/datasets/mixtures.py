"""Batches whose pictures are mixed in pairs, and their labels with them."""

from __future__ import annotations

import math

from rustnn import _C, nn
from rustnn._C import Tensor
from rustnn.distributions.gamma_draws import sample_dirichlet
from rustnn.nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["CutMix", "MixUp"]


class _Mixture(nn.Module):
    """Called with (pictures, labels): a batch (N, C, H, W), and N classes or N rows of probabilities."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = None
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels_getter = labels_getter

    def forward(self, *inputs: Any) -> Any:
        given = inputs if len(inputs) > 1 else inputs[0]
        images, labels = given[0], given[1]
        if not isinstance(images, Tensor) or images.dim() != 4:
            raise ValueError(f"{type(self).__name__}: expected a batch of pictures (N, C, H, W)")
        if not isinstance(labels, Tensor) or labels.dim() not in (1, 2) or len(labels) != len(images):
            raise ValueError(f"{type(self).__name__}: expected a label for each of {len(images)} pictures")
        if labels.dim() == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (integers)")
        share = float(sample_dirichlet(_C.tensor([self.alpha, self.alpha]))[0])
        pictures, share = self._mixed(images, share)
        if labels.dim() == 1:
            assert self.num_classes is not None
            labels = F.one_hot(labels, self.num_classes)
        rows = labels if labels.is_floating_point() else labels.float()
        rows = rows.roll(1, 0).mul_(1.0 - share).add_(rows.mul(share))
        return type(given)((pictures, rows, *given[2:]))

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        raise NotImplementedError

    def extra_repr(self) -> str:
        classes = "" if self.num_classes is None else f", num_classes={self.num_classes}"
        return f"alpha={self.alpha}{classes}"


class MixUp(_Mixture):
    """Each picture and the one before it, in shares that a beta distribution gives (Zhang et al., 2018)."""

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        mixed = images.roll(1, 0).to(_C.float32 if not images.is_floating_point() else images.dtype)
        mixed = mixed.mul_(1.0 - share).add_(images.mul(share))
        return mixed.to(images.dtype), share


class CutMix(_Mixture):
    """A box of each picture shows the one before it (Yun et al., 2019)."""

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        x, y = int(_C.randint(width, (1,)).item()), int(_C.randint(height, (1,)).item())
        side = 0.5 * math.sqrt(1.0 - share)
        half_width, half_height = int(side * width), int(side * height)
        left, right = max(x - half_width, 0), min(x + half_width, width)
        top, bottom = max(y - half_height, 0), min(y + half_height, height)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return mixed, 1.0 - (right - left) * (bottom - top) / (width * height)
