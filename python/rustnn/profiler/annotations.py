"""Events for steps of optimizers and batches of loaders, while a profile is taken."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim import optimizer as optimizers
from rustnn.utils.data import iterator as iterators

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_open: list[Any] = []
_undo: list[Any] = []


def _before_step(optimizer: Any, args: Any, kwargs: Any) -> None:
    kind = type(optimizer).__name__
    _open.append(_C._ProfileEvent(f"Optimizer.step#{kind}.step"))


def _after_step(optimizer: Any, args: Any, kwargs: Any) -> None:
    if _open:
        _open.pop().end()


def annotate(on: bool) -> None:
    """Begin or cease to make events."""
    if not on:
        while _undo:
            _undo.pop()()
        _open.clear()
        return
    _undo.append(optimizers.register_optimizer_step_pre_hook(_before_step).remove)
    _undo.append(optimizers.register_optimizer_step_post_hook(_after_step).remove)
    _replace(optimizers.Optimizer, "zero_grad", "Optimizer.zero_grad#{}.zero_grad")
    _replace(iterators._BaseDataLoaderIter, "__next__", "enumerate(DataLoader)#{}.__next__")


def _replace(kind: type, name: str, title: str) -> None:
    """Put a method between the beginning and the end of an event."""
    plain = getattr(kind, name)

    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        event = _C._ProfileEvent(title.format(type(self).__name__))
        try:
            return plain(self, *args, **kwargs)
        finally:
            event.end()

    setattr(kind, name, recorded)
    _undo.append(lambda: setattr(kind, name, plain))
