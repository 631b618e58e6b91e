"""Modules that hold other modules: in a row, in a list, in a dict."""

from __future__ import annotations

import gc
import operator
from collections import OrderedDict

from rustnn.nn.error_note import note_layer
from rustnn.nn.hooks import hook_reasons
from rustnn.nn.module import Module, indent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
    from typing import Any, Self, overload

__all__ = ["Container", "ModuleDict", "ModuleList", "Sequential"]


# Programs that watch all calls put a function of theirs in the place of Module.__call__. Each call of a
# Sequential asks whether one has; the namespace itself tells that faster than the class.
_MODULE_CALL = Module.__call__
_MODULE_NAMES: dict[str, Any] = gc.get_referents(vars(Module))[0]


def _is_iterable(value: object) -> bool:
    from collections.abc import Iterable

    return isinstance(value, Iterable)


def check_iterable(owner: str, value: object, what: str = "an iterable") -> None:
    """TypeError unless ``value`` can be walked over."""
    if not _is_iterable(value):
        raise TypeError(f"{owner} should be called with {what}, but got {type(value).__name__}")


class Container(Module):
    """The old name of a module with the children that it is told, by name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        import warnings

        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. "
            "Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Row(Module):
    """What Sequential and ModuleList share: children called "0", "1", ..., reached by position."""

    def _key(self, index: Any) -> str:
        """The name of the child at ``index``; negative ones count from the end. IndexError outside."""
        position = operator.index(index)
        size = len(self._modules)
        if not -size <= position < size:
            raise IndexError(f"index {position} is out of range")
        return list(self._modules)[position]

    def _renumber(self) -> None:
        self._modules = {str(i): module for i, module in enumerate(self._modules.values())}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        children: Any = self._modules.values()
        return iter(children)

    def __delitem__(self, index: Any) -> None:
        for key in list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]:
            delattr(self, key)
        self._renumber()

    def pop(self, key: int) -> Module:
        """Take the child at position ``key`` out and return it."""
        module = self[key]
        del self[key]
        return module

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: slice) -> Self: ...

        @overload
        def __getitem__(self, index: int) -> Module: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._slice(index)
        return self._modules[self._key(index)]

    def _slice(self, index: slice) -> Self:
        raise NotImplementedError

    def append(self, module: Module) -> Self:
        """Add a child at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self


class Sequential(_Row):
    """Calls its modules one after the other, each on the last one's output.

    Takes the modules, or one OrderedDict of names and modules. A slice of it is a Sequential of the same
    modules.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name) if isinstance(name, int) else name, module)

    def forward(self, input: Any) -> Any:
        modules: Any = self._modules.values()
        try:
            watched = _MODULE_NAMES["__call__"] is not _MODULE_CALL
            # module.forward(input) is module(input) without the detour where there is nothing to see on it.
            if watched or hook_reasons:
                for module in modules:
                    input = module(input) if watched or module._hooked else module.forward(input)
            else:
                for module in modules:
                    input = module.forward(input)
        except Exception as error:
            if module is None:
                raise TypeError("'NoneType' object is not callable") from None
            note_layer(error, module, (input,), {})
            raise
        return input

    def _slice(self, index: slice) -> Self:
        return type(self)(OrderedDict(list(self._modules.items())[index]))

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )
        return self.extend(list(other))

    def __mul__(self, times: int) -> Sequential:
        self._check_factor(times)
        return Sequential(*(list(self) * times))

    def __rmul__(self, times: int) -> Sequential:
        return self * times

    def __imul__(self, times: int) -> Self:
        self._check_factor(times)
        return self.extend(list(self) * (times - 1))

    def _check_factor(self, times: object) -> None:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")

    def insert(self, index: int, module: Module) -> Self:
        """Put ``module`` before the one at ``index``; returns self."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self._modules)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        if index < 0:
            index += size
        for i in range(size, index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add all modules of ``sequential`` at the end; returns self."""
        for module in sequential:
            self.append(module)
        return self


class ModuleList(_Row):
    """A list of modules, whose parameters are found. It cannot be called."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _slice(self, index: slice) -> Self:
        return type(self)(list(self)[index])

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        members: list[Any] = list(self)
        return ModuleList(members + list(iter(other)))

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def insert(self, index: int, module: Module) -> None:
        """Put ``module`` before the one at ``index``."""
        for i in range(len(self._modules), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns self. TypeError for what cannot be walked over."""
        check_iterable("ModuleList.extend", modules)
        for module in list(modules):
            self.append(module)
        return self

    def __repr__(self) -> str:
        # Neighbours that look alike share a line: "(0-3): 4 x ReLU()".
        runs: list[list[Any]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = (
            f"({a}): {indent(text)}" if a == b else f"({a}-{b}): {b - a + 1} x {indent(text)}"
            for a, b, text in runs
        )
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict of modules with names, whose parameters are found. It cannot be called."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        module: Any = self._modules[key]
        return module  # type: ignore[no-any-return]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take a module out and return it. KeyError if there is none."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """(name, module) of each."""
        children: Any = self._modules
        return children.items()  # type: ignore[no-any-return]

    def values(self) -> ValuesView[Module]:
        """The modules."""
        children: Any = self._modules
        return children.values()  # type: ignore[no-any-return]

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs (name, module), in their order."""
        for key, module in pairs(modules, "ModuleDict", "ModuleDict"):
            self[key] = module


def pairs(source: Any, owner: str, element: str) -> list[tuple[Any, Any]]:
    """The (key, value) pairs of a mapping or of a sequence of pairs, checked as PyTorch checks them."""
    check_iterable(f"{owner}.update", source, "an iterable of key/value pairs")
    if hasattr(source, "keys") and hasattr(source, "items"):
        return list(source.items())
    found = []
    for i, pair in enumerate(source):
        if not _is_iterable(pair):
            raise TypeError(
                f"{element} update sequence element #{i} should be Iterable; is{type(pair).__name__}"
            )
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{element} update sequence element #{i} has length {len(pair)}; 2 is required")
        found.append((pair[0], pair[1]))
    return found
