"""How `linear_cross_entropy` cuts its work into pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rustnn import _C

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_DTYPES = (_C.float16, _C.bfloat16, _C.float32, _C.float64)
_HALVES = (_C.float16, _C.bfloat16)


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Take ``linear_cross_entropy`` some rows at a time, so that there never are all logits.

    ``batch_chunk_size`` rows at once (all if None), or as many as ``chunking_method`` says:
    "aspect_ratio" makes the logits of a chunk about as large as the input, "aspect_ratio:n" one n-th of
    that, "auto" chooses. ``acc_dtype`` is what is accumulated in: float32 for halves under
    ``acc_policy`` "auto", else the input's dtype. The other policies ("accurate", "balanced", "compact")
    differ in PyTorch by their scratch memory; here they are the same. Gradients are computed with the
    loss and used up by one ``backward``, or kept for more with ``allow_retain_graph``. ValueError for
    other values, and where size and method do not agree.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method is not None and self.chunking_method != "auto":
            name, colon, part = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (colon and not (part.isdigit() and int(part) > 0)):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in _DTYPES:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )

    def _adjust(
        self, num_batches: int, in_features: int, num_classes: int, dtype: Any, device: Any = None
    ) -> LinearCrossEntropyOptions:
        """The options for an input of these sizes, with nothing left to choose."""
        half = device is not None and device.type == "cpu" and dtype in _HALVES
        policy, method = self.acc_policy, self.chunking_method
        if policy == "auto":
            policy = "accurate" if half else "compact"
        if method == "auto":
            # A size that is given says it all.
            automatic = "aspect_ratio" if half else "aspect_ratio:2"
            method = automatic if self.batch_chunk_size is None else None
        size = num_batches if self.batch_chunk_size is None else min(self.batch_chunk_size, num_batches)
        if method is not None:
            size = _rows(method, num_batches, in_features, num_classes)
            if self.batch_chunk_size not in (None, size):
                raise ValueError(
                    f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method ('{method}') give "
                    f"different chunk sizes ({self.batch_chunk_size} vs {size}); pass only one."
                )
        wider = _C.float32 if half and self.acc_policy == "auto" else dtype
        wide = wider if self.acc_dtype is None else self.acc_dtype
        # Not dataclasses.replace: any object with these attributes can be asked.
        return LinearCrossEntropyOptions(self.allow_retain_graph, max(1, size), method, policy, wide)


def _rows(method: str, rows: int, features: int, classes: int) -> int:
    """The rows of a chunk whose logits take up the room of the input, as a power of two, or a part of it."""
    part = int(method.partition(":")[2] or 1)
    wanted = -(-rows // -(-classes // features))
    return min((1 << (wanted - 1).bit_length()) // part, rows)
