"""The graph itself: its nodes, hooks on what it saves, hooks on several gradients at once."""

from __future__ import annotations

import threading
from typing import NamedTuple

from rustnn import _C
from rustnn._C import Node as Node
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A place in the graph that gradients flow to: may stand for a tensor in ``autograd.grad``."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Counts a change in place that was made where the graph cannot see it, of one tensor or several."""
    for changed in (tensor,) if isinstance(tensor, Tensor) else tensor:
        changed._bump_version()


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor flows to. RuntimeError if it requires none."""
    return GradientEdge(*_C._gradient_edge(tensor))


def _attributes(node: Node) -> list[str]:
    """The attributes of a node, and the tensors that it has saved: ``_saved_self`` and its like."""
    names = [name for name in object.__dir__(node) if name != "_saved_names"]
    try:
        return names + node._saved_names
    except RuntimeError:  # an object whose graph is gone
        return names


Node.__dir__ = _attributes  # type: ignore[assignment, method-assign]


class _State(threading.local):
    """Hooks of this thread."""

    active = 0
    disabled: str | None = None


_state = _State()


class saved_tensors_hooks:
    """Inside, what operations save for backward goes through ``pack_hook(tensor) -> object``.

    ``unpack_hook(object) -> tensor`` is called when backward needs it. Changes in place of what was saved
    are no longer noticed; ``pack_hook`` itself must not make any.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if _state.disabled is not None:
            raise RuntimeError(_state.disabled)
        _C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)
        _state.active += 1

    def __exit__(self, *exception: object) -> None:
        _C._pop_saved_tensors_hooks()
        _state.active -= 1


class save_on_cpu(saved_tensors_hooks):
    """Inside, saved tensors wait in the memory of the CPU and come back where they were.

    With ``pin_memory`` that memory is page-locked, and nobody waits for the copies.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> tuple[Any, Tensor]:
            if pin_memory and tensor.is_cuda:
                return tensor.device, tensor.to("cpu", non_blocking=True)
            return tensor.device, tensor.cpu()

        def unpack(packed: tuple[Any, Tensor]) -> Tensor:
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


class disable_saved_tensors_hooks:
    """Inside, ``saved_tensors_hooks`` is a RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if _state.active:
            raise RuntimeError(self.error_message)
        self._before = _state.disabled
        _state.disabled = self.error_message

    def __exit__(self, *exception: object) -> None:
        _state.disabled = self._before


class allow_mutation_on_saved_tensors:
    """Not supported: clone a tensor before it is changed in place."""

    def __init__(self) -> None:
        raise NotImplementedError(
            "autograd.graph.allow_mutation_on_saved_tensors is not supported: clone() a tensor that a "
            "graph has "
            "saved before changing it in place"
        )


class _MultiHandle:
    """Removes several hooks at once."""

    def __init__(self, handles: tuple[Any, ...]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Remove them all; a second call does nothing."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor],
    fn: Callable[[Sequence[Tensor | None]], None] | Callable[[Tensor], None],
    *,
    mode: str = "all",
) -> _MultiHandle:
    """Call ``fn`` once a backward, when the gradients of all ``tensors`` that it reaches are there.

    ``fn`` gets a list with a gradient or None for each tensor; with ``mode="any"`` it gets the first gradient
    that comes. ValueError for other modes.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    if mode == "any":
        last_walk: list[int | None] = [None]

        def first(grad: Tensor) -> None:
            with lock:
                walk = _C._walk_id()
                if walk == last_walk[0]:
                    return
                last_walk[0] = walk
            fn(grad)  # type: ignore[arg-type]

        return _MultiHandle(tuple(tensor.register_hook(first) for tensor in tensors if tensor.requires_grad))

    nodes = [_node_of(tensor) for tensor in tensors]
    arrived: dict[int | None, list[Tensor | None]] = {}
    missing: dict[int | None, int] = {}

    def collector(i: int) -> Callable[[Tensor], None]:
        def collect(grad: Tensor) -> None:
            walk = _C._walk_id()
            with lock:
                if walk not in missing:
                    missing[walk] = sum(_C._comes_by(nodes))
                    arrived[walk] = [None] * len(nodes)
                arrived[walk][i] = grad
                missing[walk] -= 1
                if missing[walk]:
                    return
                grads = arrived.pop(walk)
                del missing[walk]
            fn(grads)  # type: ignore[arg-type]

        return collect

    return _MultiHandle(tuple(tensor.register_hook(collector(i)) for i, tensor in enumerate(tensors)))


def _node_of(tensor: Tensor) -> Node:
    if not tensor.requires_grad:
        raise AssertionError("Expected gradient function to be set")
    return get_gradient_edge(tensor).node
