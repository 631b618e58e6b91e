"""What comes out of a model's layers: means, spreads, shares of zeros, histograms; as numbers and drawn."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rustnn.nn.module import Module

__all__ = ["ActivationRecorder", "LayerActivations", "plot_activations"]


class LayerActivations:
    """What one layer gave: one number a call in each list, and the histogram of the last call.

    ``counts`` has one number a bin, ``edges`` one more: the bounds of the bins.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.means: list[float] = []
        self.stds: list[float] = []
        self.zeros: list[float] = []
        self.shape: tuple[int, ...] = ()
        self.counts: list[float] = []
        self.edges: list[float] = []

    def add(self, output: Tensor, bins: int) -> None:
        """Take in the output of a call; NaN and infinities are left out of the histogram."""
        values = output.detach().float().flatten()
        self.shape = tuple(output.shape)
        if values.numel() == 0:
            return
        self.means.append(values.mean().item())
        self.stds.append(values.std(correction=0).item())
        self.zeros.append((values == 0).float().mean().item())
        finite = values[_C.isfinite(values)]
        if finite.numel():
            counts, edges = _C.histogram(finite, bins)
            self.counts, self.edges = counts.tolist(), edges.tolist()

    def __repr__(self) -> str:
        if not self.means:
            return f"{self.path} ({self.kind}): not called"
        return (
            f"{self.path} ({self.kind}) {self.shape}: mean {self.means[-1]:.4g}, std {self.stds[-1]:.4g}, "
            f"zeros {self.zeros[-1]:.1%}"
        )


class ActivationRecorder:
    """A context that records what the layers of a model give::

        with ActivationRecorder(model) as recorder:
            model(x)
        print(recorder)
        plot_activations(recorder).savefig("activations.png")

    ``layers`` has a ``LayerActivations`` for each path. Without ``kinds``, a tuple of classes, the layers are
    the modules without children. Of an output that is a tuple, the first tensor counts.
    """

    def __init__(self, model: Module, kinds: tuple[type, ...] | None = None, bins: int = 50) -> None:
        self.bins = bins
        self.layers: dict[str, LayerActivations] = {}
        self._modules: dict[str, Module] = {}
        self._handles: list[Any] = []
        for path, module in model.named_modules():
            wanted = isinstance(module, kinds) if kinds is not None else not [*module.children()]
            if wanted:
                self._modules[path] = module
                self.layers[path] = LayerActivations(path, type(module).__name__)

    def __enter__(self) -> Self:
        for path, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._hook(self.layers[path])))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, layer: LayerActivations) -> Callable[..., None]:
        def record(module: Module, args: Any, output: Any) -> None:
            while isinstance(output, (tuple, list)) and output:
                output = output[0]
            if isinstance(output, Tensor):
                with no_grad():
                    layer.add(output, self.bins)

        return record

    def __str__(self) -> str:
        return "\n".join(repr(layer) for layer in self.layers.values())


def plot_activations(recorder: ActivationRecorder, columns: int = 3) -> Any:
    """A figure of matplotlib with the histogram of each layer that was called, its mean, spread and zeros.

    ImportError without matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    called = [layer for layer in recorder.layers.values() if layer.counts]
    rows = max(1, -(-len(called) // columns))
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for i, layer in enumerate(called):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.stairs(layer.counts, layer.edges, fill=True)
        axes.axvline(layer.means[-1], color="black", linewidth=1)
        axes.set_title(f"{layer.path} ({layer.kind})", fontsize=9)
        numbers = f"mean {layer.means[-1]:.3g}  std {layer.stds[-1]:.3g}  zeros {layer.zeros[-1]:.0%}"
        axes.set_xlabel(numbers, fontsize=8)
        axes.tick_params(labelsize=7)
    return figure
