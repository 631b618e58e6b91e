"""`nn.Module` and the containers as people use and abuse them: small programs, run with both libraries.

All that a program leaves behind is compared: values, the class and the text of exceptions, warnings. The name of
the library in a text is left out of it.
"""

from __future__ import annotations

import inspect
import re
import warnings
from types import ModuleType
from typing import Any

import pytest

from parity.compare import Different, compare
from parity.module_programs import PRELUDE, PROGRAMS
from parity.programs import CANDIDATE, REFERENCE


def plain(text: object) -> str:
    """A text without the library's name, addresses, links to
    PyTorch's pages, and its folder of layers."""
    words = str(text).replace("rustnn", "torch").replace("torch.nn.modules.", "torch.nn.")
    words = re.sub(r" (Refer to|See|Please file an issue at) https?://\S+[^.]*\.?", "", words)
    words = words.replace("'torch._C.TensorBase'", "'Tensor'")
    return re.sub(r"0x[0-9a-f]+", "0x", words)


def outcome(program: str, lib: ModuleType) -> dict[str, Any]:
    """The variables that the program sets, how it ended and what it warned of."""

    def attempt(function: Any, *args: Any, **kwargs: Any) -> Any:
        """What the call returns, or what it raises, as text."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            return f"{type(error).__name__}: {plain(error)}"

    namespace: dict[str, Any] = {"torch": lib, "nn": lib.nn, "F": lib.nn.functional, "__name__": "program"}
    namespace.update(attempt=attempt, plain=plain)
    lib.manual_seed(0)
    exec(compile_once(PRELUDE), namespace)
    given = set(namespace)
    error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile_once(program), namespace)
        except Exception as raised:
            error = raised
    found = {k: v for k, v in namespace.items() if k not in given and not k.startswith("_")}
    found["the exception"] = None if error is None else f"{type(error).__name__}: {plain(error)}"
    found["the warnings"] = [f"{w.category.__name__}: {plain(w.message)}" for w in caught]
    return found


def compile_once(program: str) -> Any:
    return compile(program, "<program>", "exec")


@pytest.mark.parametrize("program", [pytest.param(p, id=p.splitlines()[0].lstrip("# ")) for p in PROGRAMS])
def test_program(program: str) -> None:
    theirs = outcome(program, REFERENCE)
    if (theirs["the exception"] or "").startswith(("NameError", "SyntaxError")):
        raise AssertionError(f"the program itself is wrong: {theirs['the exception']}")
    ours = outcome(program, CANDIDATE)
    if ours["the exception"] != theirs["the exception"]:
        raise Different(f"ended with {ours['the exception']}; PyTorch's with {theirs['the exception']}")
    compare(ours, theirs, "", strides=False, rtol=2e-4)


CONTAINERS = ["Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]


def members(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("__") or name in ("__dir__", "__setstate__")}


#: Names of PyTorch's that are left out, and why.
LEFT_OUT = {
    "T_destination": "a type variable",
    "_get_abs_string_index": "internal",
    "_get_item_by_idx": "internal",
    "_key_to_attr": "internal",
    "_maybe_warn_non_full_backward_hook": "internal",
    "_replicate_for_data_parallel": "copies to several GPUs",
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_all_names_are_there(name: str) -> None:
    missing = members(getattr(REFERENCE.nn, name)) - members(getattr(CANDIDATE.nn, name)) - set(LEFT_OUT)
    assert not missing


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", CONTAINERS)
def test_signatures_are_the_same(name: str) -> None:
    """Of all public methods; a static method and a function of the instance count as one."""
    ours, theirs = getattr(CANDIDATE.nn, name), getattr(REFERENCE.nn, name)
    for method, function in inspect.getmembers(theirs, inspect.isfunction):
        if (method.startswith("_") and method != "__init__") or (name, method) in SIGNATURES_APART:
            continue
        assert (method, parameters(getattr(ours, method))) == (method, parameters(function))


#: Methods that are called alike, but declared in another way.
SIGNATURES_APART = {
    ("ParameterDict", "fromkeys"): "a class method here, so that the class can be asked as well",
}


@pytest.mark.parametrize("name", REFERENCE.nn.modules.module.__all__)
def test_signatures_of_the_hooks_of_all_modules(name: str) -> None:
    ours, theirs = getattr(CANDIDATE.nn.modules.module, name), getattr(REFERENCE.nn.modules.module, name)
    assert parameters(ours) == parameters(theirs)


def test_instances_have_the_same_attributes() -> None:
    ours, theirs = vars(CANDIDATE.nn.Module()), vars(REFERENCE.nn.Module())
    assert {k: str(v) for k, v in ours.items()} == {k: str(v) for k, v in theirs.items()}


def test_the_module_of_modules_exports_the_same() -> None:
    theirs = REFERENCE.nn.modules.module.__all__
    assert set(theirs) <= set(CANDIDATE.nn.modules.module.__all__)
