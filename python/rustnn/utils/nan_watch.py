"""Watches a model for NaN and infinities, and tells where the first ones come from."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal, Self

    from rustnn.nn.module import Module
    from rustnn.optim.optimizer import Optimizer

__all__ = ["NanWatch", "NonFiniteError"]


class NonFiniteError(FloatingPointError):
    """A tensor has NaN or infinities.

    ``path`` and ``module`` are the layer, ``step`` is the number of optimizer steps before, ``what`` is
    "output", "gradient" or "parameter gradient", and ``causes`` are those inputs and parameters of the layer
    that were not finite already.
    """

    def __init__(self, message: str, path: str, module: Module, step: int, what: str, causes: list[str]):
        super().__init__(message)
        self.path = path
        self.module = module
        self.step = step
        self.what = what
        self.causes = causes


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The floating-point tensors in a value, with their places in it."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex():
            yield name, value
    elif isinstance(value, (tuple, list)):
        for i, item in enumerate(value):
            yield from _tensors(item, f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, f"{name}[{key!r}]")


def _is_finite(tensor: Tensor) -> bool:
    with no_grad():
        return bool(_C.isfinite(tensor.detach()).all())


def _count(tensor: Tensor) -> str:
    """How many elements are not finite: "3 NaN and 1 Inf among 8 elements"."""
    with no_grad():
        plain = tensor.detach()
        found = [(int(_C.isnan(plain).sum()), "NaN"), (int(_C.isinf(plain).sum()), "Inf")]
    kinds = " and ".join(f"{count} {kind}" for count, kind in found if count)
    return f"{kinds} among {tensor.numel()} elements"


class NanWatch:
    """Raises NonFiniteError at the first layer whose output, or the gradient of it, is not finite.

    A context, or an object with ``attach`` and ``detach``::

        with NanWatch(model, optimizer):
            for input, target in loader:
                ...

    The error names the layer by its path and class, the step, and what was not finite before the layer ran:
    its inputs or its parameters. Steps are those of ``optimizer``; without one, call ``step()`` after each.
    With ``action="warn"`` it warns once a step and goes on. It reads every output once, which costs time:
    switch it on to find the cause, not for good. ValueError for another action.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer | None = None, *, action: Literal["raise", "warn"] = "raise"
    ) -> None:
        if action not in ("raise", "warn"):
            raise ValueError(f'action must be "raise" or "warn", not {action!r}')
        self.model = model
        self.optimizer = optimizer
        self.action = action
        self.step_num = 0
        self._handles: list[Any] = []
        self._warned_at = -1

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(self, *exception: object) -> None:
        self.detach()

    def attach(self) -> None:
        """Begin to watch. Nothing happens if it watches already."""
        if self._handles:
            return
        for path, module in self.model.named_modules():
            self._handles.append(module.register_forward_hook(self._forward_hook(path), with_kwargs=True))
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad:
                    hook = self._parameter_hook(path, module, name)
                    self._handles.append(parameter.register_post_accumulate_grad_hook(hook))
        if self.optimizer is not None:
            self._handles.append(self.optimizer.register_step_post_hook(lambda *_: self.step()))

    def detach(self) -> None:
        """Cease to watch."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def step(self) -> None:
        """Say that a step of the program is over."""
        self.step_num += 1

    # ---- hooks ----

    def _forward_hook(self, path: str) -> Callable[..., None]:
        def look(module: Module, args: Any, kwargs: Any, output: Any) -> None:
            for name, tensor in _tensors(output, "output"):
                if not _is_finite(tensor):
                    given = [*_tensors(args, "input"), *_tensors(kwargs, "input")]
                    self._tell(path, module, "output", name, tensor, given)
                elif tensor.requires_grad:
                    tensor.register_hook(self._gradient_hook(path, module, name))

        return look

    def _gradient_hook(self, path: str, module: Module, name: str) -> Callable[[Tensor], None]:
        def look(gradient: Tensor) -> None:
            if not _is_finite(gradient):
                self._tell(path, module, "gradient", f"gradient of the {name}", gradient, [])

        return look

    def _parameter_hook(self, path: str, module: Module, name: str) -> Callable[[Tensor], None]:
        def look(parameter: Tensor) -> None:
            gradient = parameter.grad
            if gradient is not None and not _is_finite(gradient):
                title = f"gradient of the parameter {name!r}"
                self._tell(path, module, "parameter gradient", title, gradient, [])

        return look

    def _tell(
        self,
        path: str,
        module: Module,
        what: str,
        name: str,
        tensor: Tensor,
        inputs: list[tuple[str, Tensor]],
    ) -> None:
        causes = [title for title, value in inputs if not _is_finite(value)]
        for title, parameter in module.named_parameters(recurse=False):
            if not _is_finite(parameter):
                causes.append(f"parameter {title!r}")
        layer = f"layer {path!r}" if path else "the model itself"
        if causes:
            before = f"Not finite already: {', '.join(causes)}."
        elif what == "output":
            before = "Its inputs and parameters are finite: the values arise in this layer."
        else:
            before = "It is the first on the way back from the loss."
        message = (
            f"step {self.step_num}: the {name} of {layer} ({type(module).__name__}) has {_count(tensor)}. "
            f"{before}"
        )
        if self.action == "raise":
            raise NonFiniteError(message, path, module, self.step_num, what, causes)
        if self._warned_at != self.step_num:
            self._warned_at = self.step_num
            import warnings

            warnings.warn(message, RuntimeWarning, stacklevel=3)
