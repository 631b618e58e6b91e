"""A reader of pickles that runs no code.

A pickle is a program for a small stack machine, two of whose instructions fetch a global by name and call it.
This machine fetches only names that its owner lists, calls only those, and sets attributes only where told;
so whatever a file says, nothing happens but lists, dicts, numbers, strings and tensors being made.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from pickle import UnpicklingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Global", "SafeUnpickler", "plain_global"]


class Global:
    """A name that a pickle may fetch: ``make(*args)`` is what calling it does.

    Without ``make`` it is only a value, or with ``new`` a class whose objects are made without being
    initialised.
    """

    def __init__(self, value: Any, make: Callable[..., Any] | None = None, new: bool = False) -> None:
        self.value = value
        self.make = make
        self.new = new


def _bytearray(*args: Any) -> bytearray:
    if len(args) == 1 and isinstance(args[0], bytes):  # never a size: bytearray(10**12) would take the memory
        return bytearray(args[0])
    if args:
        raise UnpicklingError("bytearray can only be made of bytes")
    return bytearray()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnpicklingError("_codecs.encode is only allowed for latin1")
    return text.encode("latin1")


def _ordered_dict(*args: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(*args[:1])


def _default_dict(factory: Any = None) -> defaultdict[Any, Any]:
    if factory not in (None, dict, list, set, int, float, str):
        raise UnpicklingError("a defaultdict can only have a factory of plain values")
    return defaultdict(factory)


_PLAIN: dict[str, Global] = {
    "collections.defaultdict": Global(defaultdict, _default_dict),
    "collections.OrderedDict": Global(OrderedDict, _ordered_dict),
    "collections.Counter": Global(Counter, lambda *args: Counter(*args[:1])),
    "_codecs.encode": Global(None, _encode),
}
for _builtin, _make in {
    "set": lambda *args: set(*args[:1]),
    "frozenset": lambda *args: frozenset(*args[:1]),
    "complex": lambda *args: complex(*args[:2]),
    "bytearray": _bytearray,
}.items():
    for _module in ("builtins", "__builtin__"):
        _PLAIN[f"{_module}.{_builtin}"] = Global(None, _make)


for _kind in (dict, list, int, float, str):
    for _module in ("builtins", "__builtin__"):
        _PLAIN[f"{_module}.{_kind.__name__}"] = Global(_kind)
for _module in ("builtins", "__builtin__"):
    _PLAIN[f"{_module}.set"].value = set


def plain_global(path: str) -> Global | None:
    """What is allowed in any file: containers and numbers of the standard library."""
    return _PLAIN.get(path)


def shown(value: Any) -> str:
    """A value from a file for a message. Its class alone if it is an object: it may be half made."""
    return str(value)[:100] if type(value) in (str, bytes, int, float, bool) else f"a {type(value).__name__}"


class SafeUnpickler:
    """Reads one pickle from ``data``, bytes or a mapped file; ``position`` is its end afterwards.

    ``find(module, name)`` gives a Global, or ``None`` for a name that is not allowed, and ``refusal`` of the
    same says why and what the user can do; ``persistent_load`` resolves references to what is stored
    elsewhere; ``set_state`` gives an object a state, or returns False if it may have none; ``encoding`` is
    that of the byte strings of Python 2.
    """

    def __init__(
        self,
        data: Any,
        find: Callable[[str, str], Global | None],
        persistent_load: Callable[[Any], Any],
        set_state: Callable[[Any, Any], bool],
        refusal: Callable[[str, str], str],
        encoding: str = "utf-8",
        start: int = 0,
    ) -> None:
        self._data = data
        self._encoding = encoding
        self._at = start
        self._find = find
        self._persistent_load = persistent_load
        self._set_state = set_state
        self._refusal = refusal
        self._foreign: Exception | None = None
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object. UnpicklingError for anything wrong or not allowed."""
        try:
            while True:
                code = self._take(1)
                if code == b".":
                    result = self._stack.pop()
                    return result.value if isinstance(result, Global) else result
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise UnpicklingError(f"Unsupported operand {code[0]}")
                operation(self)
        except UnpicklingError:
            raise
        except RecursionError as error:
            raise UnpicklingError("the objects are nested too deeply") from error
        except NotImplementedError as error:  # whole, but of what is not here
            raise UnpicklingError(str(error)) from error
        except Exception as error:
            if error is self._foreign:
                raise
            raise UnpicklingError(f"damaged pickle: {type(error).__name__}: {error}") from error

    @property
    def position(self) -> int:
        """Where reading has come to."""
        return self._at

    # ---- reading -------------------------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        start = self._at
        if count < 0 or start + count > len(self._data):
            raise UnpicklingError("pickle data was truncated")
        self._at = start + count
        piece: bytes = self._data[start : self._at]
        return piece

    def _line(self) -> str:
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise UnpicklingError("pickle data was truncated")
        line: bytes = self._data[self._at : end]
        self._at = end + 1
        return line.decode("utf-8")

    def _number(self, form: str, size: int) -> int:
        return int(struct.unpack(form, self._take(size))[0])

    # ---- the stack -----------------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        return value.value if isinstance(value, Global) else value

    def _pop_mark(self) -> list[Any]:
        items = [item.value if isinstance(item, Global) else item for item in self._stack]
        self._stack = self._marks.pop()
        return items

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _remember(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def _tuple(self, count: int) -> None:
        items = tuple(self._pop() for _ in range(count))[::-1]
        self._push(items)

    # ---- instructions that could do harm -------------------------------------------------------------------

    def _global(self, module: str, name: str) -> None:
        found = self._find(module, name)
        if found is None:
            path = name if module in ("builtins", "__builtin__") else f"{module}.{name}"
            raise UnpicklingError(f"Unsupported global: GLOBAL {path} {self._refusal(module, name)}")
        self._push(found)

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise UnpicklingError("STACK_GLOBAL requires str")
        self._global(module, name)

    def _reduce(self) -> None:
        args = self._pop()
        function = self._stack.pop()
        if not isinstance(function, Global) or function.make is None or not isinstance(args, tuple):
            raise UnpicklingError("Trying to call something that is not an allowed function")
        self._push(function.make(*args))

    def _newobj(self) -> None:
        args = self._pop()
        kind = self._stack.pop()
        if not isinstance(kind, Global) or not isinstance(args, tuple):
            raise UnpicklingError("Trying to make an object of something that is not an allowed class")
        if kind.value is OrderedDict or kind.value is Counter:
            self._push(kind.value())
        elif kind.new:
            if args:
                raise UnpicklingError(f"objects of {kind.value!r} are made without arguments")
            self._push(kind.value.__new__(kind.value))
        elif isinstance(kind.value, type) and kind.make is not None:
            self._push(kind.value.__new__(kind.value, *args))
        else:
            raise UnpicklingError(
                f"Trying to make an object of {kind.value!r}, which is not an allowed class"
            )

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if isinstance(target, Global):
            raise UnpicklingError("Trying to set the state of a global")
        if type(target) is OrderedDict:
            target.__dict__.update(state)
        elif not self._set_state(target, state):
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {type(target)}"
            )

    def _persistent(self) -> None:
        reference = self._pop()
        try:
            self._push(self._persistent_load(reference))
        except Exception as error:  # not of this machine's making: it goes through as it is
            self._foreign = error
            raise

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise UnpicklingError(f"Can only set items of a dict, but got {type(target)}")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def _add(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise UnpicklingError(f"Can only add to sets, but got {type(target)}")
        target.update(items)

    def _dict(self) -> None:
        items = self._pop_mark()
        self._push({})
        self._set_items(items)

    def _text(self, size: int) -> None:
        self._push(self._take(size).decode("utf-8", "surrogatepass"))

    def _old_text(self, size: int) -> None:
        self._push(self._take(size).decode(self._encoding))

    def _long(self, size: int) -> None:
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _pop_one(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()


_Machine = SafeUnpickler
_OPERATIONS: dict[bytes, Callable[[SafeUnpickler], Any]] = {
    b"\x80": lambda m: m._take(1),  # PROTO
    b"\x95": lambda m: m._take(8),  # FRAME
    b"(": _Machine._mark,
    b"0": _Machine._pop_one,
    b"1": lambda m: m._pop_mark(),
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"K": lambda m: m._push(m._number("<B", 1)),
    b"M": lambda m: m._push(m._number("<H", 2)),
    b"J": lambda m: m._push(m._number("<i", 4)),
    b"\x8a": lambda m: m._long(m._number("<B", 1)),
    b"\x8b": lambda m: m._long(m._number("<i", 4)),
    b"G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    b"X": lambda m: m._text(m._number("<I", 4)),
    b"\x8c": lambda m: m._text(m._number("<B", 1)),
    b"\x8d": lambda m: m._text(m._number("<Q", 8)),
    b"U": lambda m: m._old_text(m._number("<B", 1)),
    b"T": lambda m: m._old_text(m._number("<i", 4)),
    b"B": lambda m: m._push(m._take(m._number("<I", 4))),
    b"C": lambda m: m._push(m._take(m._number("<B", 1))),
    b"\x8e": lambda m: m._push(m._take(m._number("<Q", 8))),
    b"\x96": lambda m: m._push(bytearray(m._take(m._number("<Q", 8)))),
    b"]": lambda m: m._push([]),
    b"l": lambda m: m._push(m._pop_mark()),
    b"a": lambda m: m._append([m._pop()]),
    b"e": lambda m: m._append(m._pop_mark()),
    b"}": lambda m: m._push({}),
    b"d": _Machine._dict,
    b"s": lambda m: m._set_items([m._pop(), m._pop()][::-1]),
    b"u": lambda m: m._set_items(m._pop_mark()),
    b"\x8f": lambda m: m._push(set()),
    b"\x90": lambda m: m._add(m._pop_mark()),
    b"\x91": lambda m: m._push(frozenset(m._pop_mark())),
    b")": lambda m: m._push(()),
    b"t": lambda m: m._push(tuple(m._pop_mark())),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"q": lambda m: m._remember(m._number("<B", 1)),
    b"r": lambda m: m._remember(m._number("<I", 4)),
    b"\x94": lambda m: m._remember(len(m._memo)),
    b"h": lambda m: m._push(m._memo[m._number("<B", 1)]),
    b"j": lambda m: m._push(m._memo[m._number("<I", 4)]),
    b"c": lambda m: m._global(m._line(), m._line()),
    b"\x93": _Machine._stack_global,
    b"R": _Machine._reduce,
    b"\x81": _Machine._newobj,
    b"b": _Machine._build,
    b"Q": _Machine._persistent,
}
