"""Histograms of points."""

from __future__ import annotations

from rustnn import _C
from rustnn.return_types import make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["histogramdd"]


def histogramdd(
    input: Tensor,
    bins: Any,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """How many points fall into each box of a grid: ``(hist, bin_edges)``.

    ``input`` has shape (..., N): points with N coordinates, float32 or float64. ``bins`` is a number of even
    bins, N of them, or N tensors of edges; ``range`` the N pairs of outermost edges, by default the ends of
    the data. ``weight`` has a weight for each point; with ``density`` the integral of ``hist`` is 1.
    RuntimeError for shapes and dtypes that do not fit.
    """
    hist, *edges = _C._histogramdd(input, bins, range=range, weight=weight, density=density)
    return make("histogramdd", ("hist", "bin_edges"), (hist, tuple(edges)))
