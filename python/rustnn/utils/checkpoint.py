"""Memory for time: what a part of a network saves for backward is computed again when it is needed.

Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

import contextlib
import warnings

from rustnn import _C, random
from rustnn._C import Tensor
from rustnn.autograd import Function, enable_grad, no_grad
from rustnn.autograd.graph import saved_tensors_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Contexts = Callable[[], tuple[Any, Any]]

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]

_early_stop: bool | None = None


class CheckpointError(RuntimeError):
    """The second computation saved other tensors than the first."""


class _Enough(Exception):
    """All that was saved has been computed again."""


class set_checkpoint_early_stop:
    """Inside, whether recomputation stops at the last tensor that is needed (as it does by default)."""

    def __init__(self, enable: bool) -> None:
        self.enable = enable

    def __enter__(self) -> None:
        global _early_stop
        self._before, _early_stop = _early_stop, self.enable

    def __exit__(self, *exception: object) -> None:
        global _early_stop
        _early_stop = self._before


class set_checkpoint_debug_enabled:
    """Accepted for PyTorch's sake: messages always name what differs."""

    def __init__(self, enabled: bool | None) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing, for forward and recomputation."""
    return contextlib.nullcontext(), contextlib.nullcontext()


class _RandomState:
    """The state of the random numbers, put back for a recomputation and restored after it."""

    def __init__(self, preserve: bool) -> None:
        self._states = random._states() if preserve else []

    def __enter__(self) -> None:
        self._after = random._states() if self._states else []
        random._restore(self._states)

    def __exit__(self, *exception: object) -> None:
        random._restore(self._after)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, which keeps nothing for backward and is computed again there.

    ``use_reentrant=False`` (recommended) puts placeholders in the place of what operations save, and computes
    ``function`` again when the first is needed. ``use_reentrant=True`` makes it one node whose backward
    computes
    ``function`` again with a graph and calls ``backward`` on it: it works only for ``backward()`` to all
    leaves, and only if a tensor among ``args`` requires a gradient.

    Random numbers are the same the second time, unless ``preserve_rng_state=False`` is passed. ``context_fn``
    returns contexts for forward and recomputation. CheckpointError if the second computation differs in
    number,
    shapes or dtypes of what it saves (``determinism_check="none"`` checks the number alone).
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
            "use_reentrant=False is recommended, but if you need to preserve the current default "
            "behavior, you can pass "
            "use_reentrant=True. Refer to docs for more details on the differences between the two "
            "variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            "determinism_check should be one of ['default', 'none'] but got " + str(determinism_check)
        )
    if _early_stop is not None:
        early_stop = _early_stop
    forward_context, recompute_context = context_fn()
    frame = _Frame(function, args, kwargs, preserve, recompute_context, determinism_check, early_stop)
    if not _C.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    with frame.recording(), forward_context:
        return function(*args, **kwargs)


class _Frame:
    """One call of ``checkpoint`` without reentrance: the call, and what became of what it saved."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve: bool,
        recompute_context: Any,
        determinism_check: str,
        early_stop: bool,
    ) -> None:
        self.call = function, args, kwargs
        self.random = _RandomState(preserve)
        self.recompute_context = recompute_context
        self.determinism_check = determinism_check
        self.early_stop = early_stop
        self.saved: list[tuple[Any, Any]] = []
        # What each backward has recomputed; a graph may be walked several times.
        self.recomputed: dict[int | None, dict[int, Tensor]] = {}

    def recording(self) -> saved_tensors_hooks:
        """Hooks that keep the shape of a tensor in its place."""

        def pack(tensor: Tensor) -> int:
            self.saved.append((tensor.shape, tensor.dtype))
            return len(self.saved) - 1

        return saved_tensors_hooks(pack, self.unpack)

    def unpack(self, place: int) -> Tensor:
        """The tensor that was saved at a place, computed again if need be."""
        walk = _C._walk_id()
        tensors = self.recomputed.get(walk)
        if tensors is None or place not in tensors:
            tensors = self.recomputed[walk] = self.recompute()
        # Each place is asked for once in a walk, but for graphs that are kept.
        tensor = tensors.pop(place)
        if not tensors:
            del self.recomputed[walk]
        return tensor

    def recompute(self) -> dict[int, Tensor]:
        """Run the function again, and collect what it saves this time."""
        function, args, kwargs = self.call
        found: list[Tensor] = []

        def pack(tensor: Tensor) -> Tensor:
            found.append(tensor.detach())
            if self.early_stop and len(found) == len(self.saved):
                raise _Enough
            return tensor.detach()

        def unpack(tensor: Tensor) -> Tensor:
            return tensor

        detached = [a.detach().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in args]
        with (
            contextlib.suppress(_Enough),
            self.random,
            enable_grad(),
            saved_tensors_hooks(pack, unpack),
            self.recompute_context,
        ):
            function(*detached, **kwargs)
        self.check(found)
        return dict(enumerate(found))

    def check(self, found: list[Tensor]) -> None:
        """CheckpointError unless both computations saved alike."""
        if len(found) != len(self.saved):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.saved)}\n"
                f"Number of tensors saved during recomputation: {len(found)}."
            )
        if self.determinism_check == "none":
            return
        differing = []
        for i, (tensor, (shape, dtype)) in enumerate(zip(found, self.saved, strict=True)):
            if tensor.shape != shape or tensor.dtype != dtype:
                differing.append(
                    f"tensor at position {i}:\nsaved metadata: {{'shape': {shape}, 'dtype': {dtype}}}\n"
                    f"recomputed metadata: {{'shape': {tensor.shape}, 'dtype': {tensor.dtype}}}\n"
                )
        if differing:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                "metadata than "
                "during the forward pass.\n" + "".join(differing)
            )


class CheckpointFunction(Function):
    """The node of ``checkpoint(use_reentrant=True)``."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        """Call the function; nothing in it is recorded."""
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=4)
        ctx.function = function
        ctx.random = _RandomState(preserve_rng_state)
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(a for a in args if isinstance(a, Tensor)))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Call the function again, with a graph, and walk it."""
        if not _C._reaches_all_leaves():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing "
                "an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set "
                "use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        args = list(ctx.others)
        for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = tensor.detach().requires_grad_(tensor.requires_grad)
        with ctx.random, enable_grad():
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (output, grad)
            for output, grad in zip(outputs, grads, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        _C._backward([output for output, _ in pairs], [grad for _, grad in pairs])
        return (None, None, *(a.grad if isinstance(a, Tensor) else None for a in args))


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """The functions one after the other, in ``segments`` parts of which all but the last are checkpointed.

    ``functions`` is a sequence of callables or a ``nn.Sequential``; the rest is as in ``checkpoint``.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
            "explicitly. In version 2.9 we will raise an exception if use_reentrant is not passed. "
            "use_reentrant=False is recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences "
            "between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps: Sequence[Callable[..., Any]] = list(
        functions.children() if hasattr(functions, "children") else functions
    )
    size = len(steps) // segments
    end = 0
    for start in range(0, size * (segments - 1), size) if size else ():
        end = start + size
        part = _in_turn(steps[start:end])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _in_turn(steps[end:])(input)


def _in_turn(steps: Sequence[Callable[..., Any]]) -> Callable[[Any], Any]:
    def run(input: Any) -> Any:
        for step in steps:
            input = step(input)
        return input

    return run
