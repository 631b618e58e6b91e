"""Spectral normalisation: a tensor over its largest singular value, computed anew before each call.

The old way with hooks; `rustnn.nn.utils.parametrizations.spectral_norm` is the new one.
"""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.nn import functional as F
from rustnn.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter, is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    AnyModule = TypeVar("AnyModule", bound=Module)

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "remove_spectral_norm",
    "spectral_norm",
]


def default_dim(module: Module) -> int:
    """The dim of a layer's weight that counts its outputs."""
    return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))


def matrix_by_dim(weight: Tensor, dim: int) -> Tensor:
    """A tensor as the matrix (size of ``dim``, all the rest)."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.reshape(weight.size(0), -1)


def normalized_(vector: Tensor, value: Tensor, eps: float) -> Tensor:
    """Make ``vector`` the value over its norm, in place: copies of a module for other devices share it."""
    return vector.copy_(F.normalize(value, dim=0, eps=eps))


class SpectralNorm:
    """The hook that computes ``name`` from ``name_orig`` and the singular vectors ``name_u``, ``name_v``."""

    _version: int = 1
    name: str
    dim: int
    n_power_iterations: int
    eps: float

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """(size of ``dim``, all the rest)."""
        return matrix_by_dim(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The tensor as of now, after the steps of the power method that are asked for."""
        weight, left, right = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    normalized_(right, _C.mv(matrix.t(), left), self.eps)
                    normalized_(left, _C.mv(matrix, right), self.eps)
                # Clones: the next step changes the vectors, and this one's backward needs them as they are.
                left, right = left.clone(), right.clone()
        normed: Tensor = weight / _C.dot(left, _C.mv(matrix, right))
        return normed

    def remove(self, module: Module) -> None:
        """Make the tensor a parameter again, with its value of now."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for end in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + end)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    def _solve_v_and_rescale(self, matrix: Tensor, left: Tensor, sigma: Tensor) -> Tensor:
        """The vector v whose u is ``left``, of the length with which u.T @ matrix @ v is ``sigma``."""
        transposed = matrix.t()
        right = _C.pinverse(transposed @ matrix) @ (transposed @ left)
        return right.mul_(sigma / _C.dot(left, _C.mv(matrix, right)))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Register the hooks; RuntimeError if there are some for this name, ValueError for None or lazy."""
        for known in module._forward_pre_hooks.values():
            if isinstance(known, SpectralNorm) and known.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run "
                "the dummy forward before applying spectral normalization"
            )
        with no_grad():
            rows, columns = hook.reshape_weight_to_matrix(weight).shape
            left, right = (
                F.normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps) for size in (rows, columns)
            )
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)  # shown, and an attribute, before the first call too
        module.register_buffer(f"{name}_u", left)
        module.register_buffer(f"{name}_v", right)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(SpectralNormStateDictHook(hook))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(hook))
        return hook


class SpectralNormLoadStateDictPreHook:
    """Makes the state of a version before 1, which had no ``name_v`` and kept ``name``, one of version 1."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("spectral_norm", {}).get(f"{self.fn.name}.version")
        if version is not None and version >= 1:
            return
        key = prefix + self.fn.name
        young = all(key + end in state_dict for end in ("_orig", "_u", "_v")) and key not in state_dict
        if version is None and young:
            return  # a state of now whose metadata were lost
        missing = [key + end for end in ("_orig", "", "_u") if key + end not in state_dict]
        if missing:
            if strict:
                missing_keys.extend(missing)
            return
        with no_grad():
            original, weight = state_dict[f"{key}_orig"], state_dict.pop(key)
            matrix = self.fn.reshape_weight_to_matrix(original)
            sigma = (original / weight).mean()
            state_dict[f"{key}_v"] = self.fn._solve_v_and_rescale(matrix, state_dict[f"{key}_u"], sigma)


class SpectralNormStateDictHook:
    """Notes the version in the state dict."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """Replace a parameter by itself over its largest singular value; returns the module.

    See `rustnn.nn.utils.parametrizations.spectral_norm`, which is to be used instead.
    """
    SpectralNorm.apply(module, name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `spectral_norm`; the parameter keeps its value. ValueError if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    _drop(module._state_dict_hooks, SpectralNormStateDictHook, name)
    _drop(module._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook, name)
    return module


def _drop(hooks: Any, kind: type, name: str) -> None:
    for key, entry in hooks.items():
        hook = entry[0] if isinstance(entry, tuple) else entry
        if isinstance(hook, kind) and hook.fn.name == name:  # type: ignore[attr-defined]
            del hooks[key]
            return
