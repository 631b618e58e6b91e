"""What users hang on tensors, and what the class refuses: attributes as PyTorch's objects keep them."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest

from parity.programs import CANDIDATE, REFERENCE

PROGRAMS = {
    "set": "x.note = 3; result = (x.note, x.__dict__, vars(x))",
    "delete": "x.note = 3; del x.note; result = x.__dict__",
    "dict replaced": "x.__dict__ = {'note': 1}; result = x.note",
    "method hidden": "x.view = lambda *sizes: sizes; result = x.view(2, 3); del x.view; result += tuple(x.view(3, 1).shape)",
    "deep copy": "x.note = [1]; y = copy.deepcopy(x); result = (y.note, y.note is x.note)",
    "not handed on": "x.note = 3; result = (x + x).__dict__",
    "unknown": "x.nothing",
    "unknown deleted": "del x.nothing",
    "slot": "hasattr(torch.empty(0), 'nothing'); result = getattr(x, 'nothing', 5)",
    "not a name": "setattr(x, 3, 4)",
}


def outcome(library: Any, program: str) -> Any:
    names: dict[str, Any] = {"torch": library, "x": library.ones(3), "copy": copy}
    try:
        exec(program, names)
    except Exception as error:
        return type(error), str(error)
    return names["result"]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_attributes(program: str) -> None:
    assert outcome(CANDIDATE, program) == outcome(REFERENCE, program)


def test_a_tensor_that_holds_itself_is_collected() -> None:
    x = CANDIDATE.ones(3).exp()
    x.me = x
    alive = weakref.ref(x)
    del x
    gc.collect()
    assert alive() is None
