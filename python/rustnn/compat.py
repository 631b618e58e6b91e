"""``import torch`` is answered by rustnn, so that a script written for PyTorch runs as it is.

After ``install()``, ``torch`` and its submodules are rustnn's own modules, torchvision's data sets and
transforms those of ``rustnn.datasets``. What is missing says so where it is used, with what there is instead.
``python -m rustnn script.py`` installs this and runs a script.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

__all__ = ["find", "install", "uninstall"]

_ROOTS = ("torch", "torchvision", "torchaudio")

# Modules that are called otherwise here; the longest name that fits counts.
_HOMES = {
    "torch": "rustnn",
    "torch._VF": "rustnn._C",
    "torch.autograd.variable": "rustnn.autograd",
    "torch.fx._symbolic_trace": "rustnn.fx.tracer",
    "torch.fx.passes.utils.matcher_utils": "rustnn.fx.matcher",
    "torch.nn.attention.bias": "rustnn.nn.attention_bias",
    "torch.nn.parallel.data_parallel": "rustnn.nn.parallel",
    "torch.nn.parallel.distributed": "rustnn.nn.parallel",
    "torch.optim.adamw": "rustnn.optim",
    "torch.torch_version": "rustnn.version",
    "torch.utils.data._utils": "rustnn.utils.data",
    "torchvision": "rustnn.vision",
    "torchvision.datasets": "rustnn.datasets",
    "torchvision.models": "rustnn.vision_models",
    "torchvision.transforms.functional": "rustnn.datasets.picture_functions",
    "torchvision.transforms.v2.functional": "rustnn.datasets.picture_functions",
    "torchvision.transforms.v2": "rustnn.datasets.transforms",
    "torchvision.transforms": "rustnn.datasets.transforms",
    "torchvision.utils": "rustnn.datasets.grid",
}

# What is not there, and what to take instead.
_REPLACEMENTS = {
    "torch.ao": "quantized tensors do not exist yet",
    "torch.fx.passes": "graphs are changed by fx.replace_pattern, fx.Transformer, Graph's and Node's methods",
    "torch._inductor": "programs run eagerly; nothing is compiled",
    "torch.masked": "take torch.where, Tensor.masked_fill and the functions that leave NaN out",
    "torch.nested": "pad sequences: nn.utils.rnn.pad_sequence",
    "torch.nn.attention.flex_attention": "take nn.functional.scaled_dot_product_attention with attn_mask",
    "torch.package": "torch.save and torch.load write and read models",
    "torch.quantization": "quantized tensors do not exist yet",
    "torch.rfft": "take torch.fft.rfft",
    "torch.irfft": "take torch.fft.irfft",
    "torch.sparse": "sparse tensors do not exist yet; embeddings take sparse=False",
    "torch.utils.cpp_extension": "there is no C++ interface; autograd.Function adds operations in Python",
    "torch.utils.mobile_optimizer": "torch.onnx.export writes models for other runtimes",
    "torchaudio": "rustnn reads no sound; torch.stft, torch.istft and torch.fft are there",
    "torchvision.io": "PIL.Image.open and transforms.ToTensor read pictures",
    "torchvision.ops": "there are no operations of detection yet",
}
_TABLES = "docs/COMING_FROM_PYTORCH.md lists what there is"

# Where a name may be instead, if its module is loaded.
_ELSEWHERE = ("torch", "torch.nn", "torch.nn.functional", "torch.linalg", "torch.special", "torch.fft")

_explained: dict[str, tuple[ModuleType, Any]] = {}  # what `__getattr__` was
_without_path: list[ModuleType] = []
_set_aside: dict[str, ModuleType] = {}
_messages: dict[tuple[str, str], str] = {}


def install() -> None:
    """Lets ``import torch`` give rustnn from now on, also where PyTorch is installed or imported already."""
    if _finder in sys.meta_path:
        return
    for name in [name for name in sys.modules if _is_answered(name)]:
        _set_aside[name] = sys.modules.pop(name)
    sys.meta_path.insert(0, _finder)
    for name, module in list(sys.modules.items()):
        if name == "rustnn" or name.startswith("rustnn."):
            _explain(module)


def uninstall() -> None:
    """Undoes ``install``: ``import torch`` gives PyTorch, if it is there. Names that are bound stay so."""
    if _finder not in sys.meta_path:
        return
    sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if _is_answered(name)]:
        del sys.modules[name]
    sys.modules.update(_set_aside)
    _set_aside.clear()
    for module, own in _explained.values():
        if own is None:
            del vars(module)["__getattr__"]
        else:
            vars(module)["__getattr__"] = own
    _explained.clear()
    for module in _without_path:
        del vars(module)["__path__"]
    _without_path.clear()


def find(name: str) -> Any:
    """What PyTorch calls ``name`` ("torch.nn.Linear"), here: a module, class, function, value.

    ModuleNotFoundError or AttributeError, with what there is instead, for what is missing.
    """
    try:
        return _module(name)
    except ModuleNotFoundError:
        owner, _, attribute = name.rpartition(".")
        if not owner:
            raise
    holder = find(owner)
    try:
        return getattr(holder, attribute)
    except AttributeError as error:
        raise AttributeError(_message(owner, attribute, str(error))) from None


# ---- modules ----------------------------------------------------------------------------------------------


def _is_answered(name: str) -> bool:
    return name.partition(".")[0] in _ROOTS


def _home(name: str) -> str:
    """The name here of what PyTorch calls so."""
    head, tail = name, ""
    while head and head not in _HOMES:
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return _HOMES[head] + tail if head else name


def _module(name: str) -> Any:
    """The module that answers to ``name``. ModuleNotFoundError if there is none."""
    home = _home(name)
    try:
        if home != name:
            return import_module(home)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{home}.".startswith(f"{error.name}."):
            raise
    owner, _, last = name.rpartition(".")
    message = f"No module named {name!r} in rustnn{_hint(name)}"
    if owner:
        names = [tail for tail in _submodules(owner) if not tail.startswith("_")]
        message += _near(last, names)
    raise ModuleNotFoundError(f"{message}; {_TABLES}", name=name)


def _submodules(owner: str) -> list[str]:
    """The names of the modules in a package."""
    import os

    try:
        places = [str(place) for place in getattr(_module(owner), "__path__", [])]
    except ModuleNotFoundError:
        return []
    files = [file for place in places if os.path.isdir(place) for file in os.listdir(place)]
    return [file.removesuffix(".py") for file in files if file.endswith(".py") or "." not in file]


class _Loader:
    """Puts a module of rustnn into ``sys.modules`` under PyTorch's name."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def create_module(self, spec: ModuleSpec) -> None:
        """The module is there."""

    def exec_module(self, module: ModuleType) -> None:
        """Takes the place of the empty module that was made for the import."""
        sys.modules[module.__name__] = self.module


class _Finder:
    """Answers the imports of ``torch.*``, and makes rustnn's modules explain what they lack."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the module that answers to ``name``; ModuleNotFoundError if an import has none."""
        if name.startswith("rustnn."):
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                _explain_when_loaded(spec.loader)
            return spec
        if not _is_answered(name):
            return None
        try:
            found = _module(name)
        except ModuleNotFoundError:
            # `importlib.util.find_spec` asks whether there is a module: None says that there is not.
            if sys._getframe(2).f_code.co_name.startswith("_find_and_load"):
                raise
            return None
        if isinstance(found, type(sys)) and not hasattr(found, "__path__"):
            found.__path__ = []  # so that an import below it comes here
            _without_path.append(found)
        return ModuleSpec(name, _Loader(found), is_package=hasattr(found, "__path__"))  # type: ignore[arg-type]


_finder: Any = _Finder()


# ---- names that are missing -------------------------------------------------------------------------------


def _explain_when_loaded(loader: SourceFileLoader) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if _finder in sys.meta_path:
            _explain(module)

    loader.exec_module = exec_module  # type: ignore[method-assign]


def _explain(module: ModuleType) -> None:
    """Makes a module say, of a name that it lacks, what there is instead."""
    name = getattr(module, "__name__", "")
    if not isinstance(module, type(sys)) or name in _explained or name in ("rustnn._C", __name__):
        return
    own: Callable[[str], Any] | None = vars(module).get("__getattr__")
    _explained[name] = module, own
    shown = _shown(name)

    def __getattr__(attribute: str) -> Any:
        reason = ""
        if own is not None:
            try:
                return own(attribute)
            except AttributeError as error:
                reason = str(error)
        if attribute.startswith("__"):
            raise AttributeError(f"module {shown!r} has no attribute {attribute!r}")
        message = _message(shown, attribute, reason)
        if _is_import_from(sys._getframe(1)):
            raise ImportError(message, name=shown)
        raise AttributeError(message)

    vars(module)["__getattr__"] = __getattr__


def _is_import_from(frame: Any) -> bool:
    """Whether a frame is at ``from module import name``, which has its own words for an AttributeError."""
    from opcode import opmap

    return bool(frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"])


def _shown(name: str) -> str:
    """PyTorch's name of a module of rustnn."""
    for theirs, ours in reversed(_HOMES.items()):
        if name == ours:
            return theirs
    return "torch" + name.removeprefix("rustnn")


def _hint(name: str) -> str:
    """What to take for a name, or for the module that it would be in."""
    while name:
        if name in _REPLACEMENTS:
            return f": {_REPLACEMENTS[name]}"
        name = name.rpartition(".")[0]
    return ""


def _near(name: str, names: Sequence[str]) -> str:
    """Names that look like ``name``."""
    from difflib import get_close_matches

    lower: dict[str, list[str]] = {}
    for other in names:
        lower.setdefault(other.lower(), []).append(other)
    found = [
        other for match in get_close_matches(name.lower(), list(lower), 3, 0.7) for other in lower[match]
    ]
    return f"; near it: {', '.join(found)}" if found else ""


def _message(owner: str, name: str, reason: str = "") -> str:
    """What to say of a name that is missing; ``reason`` is the error of the module itself."""
    key = owner, name
    if key not in _messages:
        text = f"module {owner!r} has no attribute {name!r} in rustnn"
        hint = _hint(f"{owner}.{name}") or reason.partition(f"{name!r}: ")[2]
        text += f": {hint.removeprefix(': ')}" if hint else ""
        there = [
            f"{place}.{name}"
            for place in _ELSEWHERE
            if not hint and place != owner and name in dir(sys.modules.get(_home(place)))
        ]
        text += f"; there is {' and '.join(there)}" if there else ""
        holder = _module(owner) if owner in _ROOTS else sys.modules.get(_home(owner))
        text += _near(name, [other for other in dir(holder) if not other.startswith("_")])
        _messages[key] = f"{text}; {_TABLES}"
    return _messages[key]
