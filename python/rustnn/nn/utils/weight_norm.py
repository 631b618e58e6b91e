"""Weight normalisation: a tensor by its norms and its directions, computed anew before each call.

The old way with hooks; `rustnn.nn.utils.parametrizations.weight_norm` is the new one.
"""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter, is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    AnyModule = TypeVar("AnyModule", bound=Module)

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The norm over all dims but one, which keeps its place: (1, .., size, .., 1); 0-d for ``dim`` -1.

    IndexError for a ``dim`` that there is not.
    """
    if dim == -1:
        return _C._linalg_vector_norm(v, pow)
    dims = v.dim()
    if not -dims <= dim < dims:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-dims}, {dims - 1}], but got {dim})"
        )
    others = [d for d in range(dims) if d != dim % dims]
    return _C._linalg_vector_norm(v, pow, others, True) if others else v.abs()


def with_norms(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """The directions of ``v`` with the norms ``g``."""
    return v * (g / norm_except_dim(v, 2, dim))


class WeightNorm:
    """The hook that computes ``name`` from ``name_g`` and ``name_v``."""

    name: str
    dim: int

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """The tensor as of now."""
        return with_norms(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Register the hook; RuntimeError if there is one for this name, ValueError for lazy parameters."""
        import warnings

        warnings.warn(
            "`torch.nn.utils.weight_norm` is deprecated in favor of "
            "`torch.nn.utils.parametrizations.weight_norm`.",
            FutureWarning,
            stacklevel=3,
        )
        if any(
            isinstance(hook, WeightNorm) and hook.name == name for hook in module._forward_pre_hooks.values()
        ):
            raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
        hook = WeightNorm(name, dim)
        weight = getattr(module, name)
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure to run the "
                "dummy forward before applying weight normalization"
            )
        del module._parameters[name]
        norms = norm_except_dim(weight.detach(), 2, hook.dim)
        module.register_parameter(f"{name}_g", Parameter(norms))
        module.register_parameter(f"{name}_v", Parameter(weight.data))
        hook(module, ())
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Make the tensor a parameter again, with its value of now."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[f"{self.name}_g"]
        del module._parameters[f"{self.name}_v"]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Replace a parameter by its norms, one for each index of ``dim`` (None: one in all), and its directions.

    Returns the module. Deprecated: see `rustnn.nn.utils.parametrizations.weight_norm`.
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `weight_norm`; the parameter keeps its value. ValueError if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
