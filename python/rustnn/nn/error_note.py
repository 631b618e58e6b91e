"""Which layer it was: a note on an exception that leaves the call of a module.

The innermost module writes it: what it is, what it expects, what it was given. Each module further out that
the exception leaves puts its name for the inner one in front, so that the note ends up with the path from the
root:

    encoder.layers.0.linear1 (Linear 512 -> 2048): expected last dimension 512, got input [32, 10, 256]

The class and the message of the exception stay as they are.
"""

from __future__ import annotations

import weakref

from rustnn._C import Tensor
from rustnn.nn.parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.nn.module import Module

__all__ = ["LayerNote", "note_layer"]

_MOST_ITEMS = 4  # of a tuple, list or dict
_MOST_VALUES = 1 << 20  # of a tensor whose range is told


class LayerNote(str):
    """The text of a note, and from where on its path is still to be completed."""

    module: weakref.ref[Module]
    path: str
    layer: str
    complaint: str

    @classmethod
    def make(cls, module: Module, path: str, layer: str, complaint: str) -> LayerNote:
        """The note as seen from ``module``, where the layer is called ``path``."""
        note = cls(f"{path} ({layer}): {complaint}" if path else f"{layer}: {complaint}")
        note.module = weakref.ref(module)
        note.path, note.layer, note.complaint = path, layer, complaint
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)  # exceptions travel between processes, modules stay where they are


def note_layer(error: BaseException, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note on ``error``, which leaves ``module(*args, **kwargs)``, where it comes from."""
    try:
        _note(error, module, args, kwargs)
    except Exception:  # the error itself must get through, whatever is wrong with the module's parts
        return


def _note(error: BaseException, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    notes: list[str] = getattr(error, "__notes__", [])
    for i, note in enumerate(notes):
        if isinstance(note, LayerNote):
            inner = note.module()
            if inner is not None and inner is not module:
                name = _name_of(inner, module)
                if name is not None:
                    path = f"{name}.{note.path}" if note.path else name
                    notes[i] = LayerNote.make(module, path, note.layer, note.complaint)
            return
    from rustnn.nn.layer_expectations import expectation

    settings, expected = expectation(module)
    layer = type(module).__name__ + (f" {settings}" if settings else "")
    given, mixed = _describe_call(module, args, kwargs)
    if mixed:  # sizes are not all that can be wrong
        expected = f"{expected} of {mixed}" if expected else f"dtype {mixed}"
    complaint = f"expected {expected}, got {given}" if expected else f"got {given}"
    error.add_note(LayerNote.make(module, "", layer, complaint))


def _name_of(inner: Module, outer: Module) -> str | None:
    """The dotted name of ``inner`` in ``outer``: that of a child if there is one."""
    for name, child in outer._modules.items():
        if child is inner:
            return name
    for name, below in outer.named_modules(remove_duplicate=False):
        if below is inner:
            return name
    return None


def _describe_call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    """The arguments with their names, and the layer's dtype if that of an argument is another."""
    dtype = next(
        (p.dtype for p in module._parameters.values() if p is not None and not is_lazy(p)),
        None,
    )
    names = _argument_names(module)
    words, mixed = [], False
    for i, value in enumerate(args):
        if value is None:
            continue
        name = names[i] if i < len(names) else ""
        text, other = _describe(value, dtype)
        mixed |= other
        words.append(f"{name} {text}" if name else text)
    for name, value in kwargs.items():
        if value is None or isinstance(value, bool):
            continue  # a switch, which has no size
        text, other = _describe(value, dtype)
        mixed |= other
        words.append(f"{name} {text}")
    return ", ".join(words) or "no arguments", _short(dtype) if mixed else ""


def _argument_names(module: Module) -> tuple[str, ...]:
    forward = module.forward
    code = getattr(getattr(forward, "__func__", forward), "__code__", None)
    if code is None:
        return ()
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names[1:] if hasattr(forward, "__self__") else names


def _describe(value: Any, dtype: Any) -> tuple[str, bool]:
    """A value in a few words, and whether it has another floating dtype than the layer's ``dtype``."""
    if isinstance(value, Tensor):
        if is_lazy(value):
            return "uninitialized", False
        text = str(list(value.shape))
        floating = value.is_floating_point() or value.is_complex()
        if floating:
            other = dtype is not None and value.dtype != dtype
            return (f"{text} {_short(value.dtype)}" if other else text), other
        text += f" {_short(value.dtype)}"
        if 0 < value.numel() <= _MOST_VALUES and value.dtype.itemsize > 1:
            text += f" from {value.min().item()} to {value.max().item()}"
        return text, False
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value), False
    if isinstance(value, (tuple, list)):
        parts = [_describe(item, dtype) for item in value[:_MOST_ITEMS]]
        more = ", ..." if len(value) > _MOST_ITEMS else ""
        name = "" if type(value) in (tuple, list) else type(value).__name__
        return f"{name}({', '.join(text for text, _ in parts)}{more})", any(other for _, other in parts)
    return f"a {type(value).__name__}", False


def _short(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
