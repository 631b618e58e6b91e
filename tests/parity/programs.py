"""Run a program, a few lines of text, with either library, and compare what it leaves behind.

The program sees `torch` (the library), `nn`, `optim`, `np`, and deterministic data makers (see `Data`).
Every variable that it sets is compared, but for names that start with an underscore. Where it raises, both
must raise the same class of exception, with a message that says something.
"""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

from parity.compare import Different, compare
from parity.data import Data

CANDIDATE = importlib.import_module("rustnn")
REFERENCE = importlib.import_module("torch")


def run(program: str, lib: ModuleType, **data: Any) -> dict[str, Any] | Exception:
    """The variables that the program sets, or what it raised."""
    namespace = Data(lib, **data).namespace()
    given = dict(namespace)
    lib.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(program, "<program>", "exec"), namespace)
    except Exception as error:
        return error
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and (name not in given or given[name] is not value)
    }


def hold(program: str, **options: Any) -> None:
    """Run with both and raise `Different` unless all that can be seen is the same."""
    data = {k: options.pop(k) for k in ("seed", "dtype", "domain", "requires_grad") if k in options}
    theirs = run(program, REFERENCE, **data)
    if isinstance(theirs, (NameError, SyntaxError, ImportError)):
        raise AssertionError("the program itself is wrong") from theirs
    ours = run(program, CANDIDATE, **data)
    same_outcome(ours, theirs, **options)


def same_outcome(ours: Any, theirs: Any, **options: Any) -> None:
    """Both raised the same class, or both results compare equal."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        if not isinstance(ours, Exception):
            raise Different(f"nothing raised; PyTorch has {describe(theirs)}")
        if not isinstance(theirs, Exception):
            raise Different(f"raised {describe(ours)}; PyTorch does not") from ours
        if type(ours).__name__ != type(theirs).__name__:
            raise Different(f"raised {describe(ours)}; PyTorch has {describe(theirs)}") from ours
        if len(str(ours)) < min(8, len(str(theirs))):
            raise Different(f"the message of {describe(ours)} says nothing")
        return
    compare(ours, theirs, "", **options)


def describe(error: Any) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}({text[0][:160] if text else ''})"
