"""Changing the dtype or the device of everything that a module holds."""

from __future__ import annotations

from rustnn import _C
from rustnn import __future__ as future
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.nn.parameter import Parameter, is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rustnn.nn.module import Module

__all__ = ["MoveMixin"]


class MoveMixin:
    """The part of ``Module`` that converts parameters and buffers; every method returns the module itself."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter's and buffer's contents by ``fn`` of them.

        Parameters keep their identity.
        """
        if recurse:
            for module in self._modules.values():
                if module is not None:
                    module._apply(fn)
        with no_grad():
            for name, parameter in self._parameters.items():
                if parameter is None:
                    continue
                gradient = parameter.grad
                if future._overwrite_module_params_on_conversion:
                    parameter = self._parameters[name] = Parameter(
                        fn(parameter.data), parameter.requires_grad
                    )
                    if gradient is not None:
                        parameter.grad = fn(gradient.detach()).requires_grad_(gradient.requires_grad)
                    continue
                # An uninitialised one is asked itself: it refuses what needs a shape.
                parameter.data = fn(parameter).data if is_lazy(parameter) else fn(parameter.data)
                if gradient is not None:
                    # The gradient must match its parameter at every moment, so it is set anew and not in
                    # place.
                    parameter.grad = fn(gradient.detach()).requires_grad_(gradient.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or ``to(tensor)``, in place.

        A dtype must be floating point or complex, and only floating point and complex members take it.
        TypeError for another dtype.
        """
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            import warnings

            warnings.warn(
                "Complex modules are a new feature under active development whose design may change, and "
                "some modules might not work as expected when using complex tensors as parameters or "
                "buffers.",
                stacklevel=2,
            )
        extra: dict[str, Any] = {"non_blocking": True} if non_blocking else {}

        def convert(tensor: Tensor) -> Tensor:
            keywords = dict(extra)
            if device is not None:
                keywords["device"] = device
            if dtype is not None and (tensor.is_floating_point() or tensor.is_complex()):
                keywords["dtype"] = dtype
            if memory_format is not None and tensor.dim() in (4, 5):
                keywords["memory_format"] = memory_format
            if not keywords.keys() - {"non_blocking"}:
                return tensor
            try:
                return tensor.to(**keywords)
            except NotImplementedError as error:
                if str(error) != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when "
                    "moving module from meta to a different device."
                ) from None

        return self._apply(convert)

    def _to_dtype(self, dtype: Any) -> Self:
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def float(self) -> Self:
        """Floating point members become float32."""
        return self._to_dtype(_C.float32)

    def double(self) -> Self:
        """Floating point members become float64."""
        return self._to_dtype(_C.float64)

    def half(self) -> Self:
        """Floating point members become float16."""
        return self._to_dtype(_C.float16)

    def bfloat16(self) -> Self:
        """Floating point members become bfloat16."""
        return self._to_dtype(_C.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """All members become ``dst_type``."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def cpu(self) -> Self:
        """All members move to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Self:
        """All members move to a GPU, the current one unless told which."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def ipu(self, device: Any = None) -> Self:
        """RuntimeError: there are no such devices."""
        return self.to(_C.device("ipu", device))

    def xpu(self, device: Any = None) -> Self:
        """RuntimeError: there are no such devices."""
        return self.to(_C.device("xpu", device))

    def mtia(self, device: Any = None) -> Self:
        """RuntimeError: there are no such devices."""
        return self.to(_C.device("mtia", device))

    def share_memory(self) -> Self:
        """All members move to memory that other processes can see."""
        return self._apply(lambda tensor: tensor.share_memory_())

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """All members move to ``device`` without their contents."""
        return self._apply(lambda tensor: _C.empty_like(tensor, device=device), recurse=recurse)


_TO_FLAGS = "bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)"
_TO_FORMS = (
    f"(torch.device device = None, torch.dtype dtype = None, {_TO_FLAGS}",
    f"(torch.dtype dtype, {_TO_FLAGS}",
    f"(Tensor tensor, {_TO_FLAGS}",
)


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) from the forms of ``to``'s arguments."""
    names: tuple[str, ...] = ("device", "dtype", "non_blocking", "copy")
    if "tensor" in kwargs or (args and isinstance(args[0], Tensor)):
        names = ("tensor", "non_blocking", "copy")
    elif args and isinstance(args[0], _C.dtype):
        names = ("dtype", "non_blocking", "copy")
    kinds: dict[str, Any] = {
        "device": (str, int, _C.device, type(None)),
        "dtype": (_C.dtype, type(None)),
        "tensor": Tensor,
        "non_blocking": bool,
        "copy": bool,
        "memory_format": (_C.memory_format, type(None)),
    }
    given = dict(zip(names, args, strict=False))
    fits = len(args) <= len(names) and not given.keys() & kwargs.keys()
    given.update(kwargs)
    for name, value in given.items():
        fits = fits and name in (*names, "memory_format") and isinstance(value, kinds[name])
    if not fits:
        got = ", ".join(_kind(value) for value in args)
        named = "".join(f"{name}={_kind(value)}, " for name, value in kwargs.items())
        got += ", " * bool(got and named) + named
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({got}), but expected one of:\n * "
            + "\n * ".join(_TO_FORMS)
            + "\n"
        )
    if given.get("copy"):
        raise RuntimeError(".to() does not accept copy argument")
    device, dtype = given.get("device"), given.get("dtype")
    if "tensor" in given:
        device, dtype = given["tensor"].device, given["tensor"].dtype
    if isinstance(device, (str, int)):
        device = _C.device(device) if isinstance(device, str) else _C.device("cuda", device)
    return device, dtype, given.get("non_blocking", False), given.get("memory_format")


def _kind(value: object) -> str:
    """The type of an argument as errors of ``to`` tell it."""
    if isinstance(value, (_C.dtype, _C.device, _C.memory_format)):
        return f"torch.{type(value).__name__}"
    return type(value).__name__
