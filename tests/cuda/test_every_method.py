"""Methods and functions that are written by hand, with tensors of a GPU: each ends in a value or an ordinary exception,
never in a panic. Declared operations are called by one piece of code, which sees to that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import conftest

HERE = Path(__file__).parent

CALLS = """
import os
import sys
import warnings
import rustnn as torch
import rustnn.nn.functional as F
from rustnn import Tensor

warnings.simplefilter("ignore")
DECLARED = {row["name"].split(".")[-1] for row in torch._C._ops()}
DECLARED |= {name + "_" for name in DECLARED}
# What ends or changes the process, reads files, waits for input, or is no function of tensors.
LEFT_OUT = {"__class__", "__init_subclass__", "__subclasshook__", "__new__", "__del__", "__init__"}
LEFT_OUT |= {"save", "load", "compile", "set_default_device", "set_default_dtype", "set_printoptions", "initial_seed",
             "set_num_threads", "set_num_interop_threads", "seed", "use_deterministic_algorithms", "typename", "exit"}
ARGUMENTS = [
    "()", "(x,)", "(1,)", "(0, 1)", "((4, 3),)", "(2.5,)", "(torch.float64,)", "('cpu',)", "('cuda',)", "(i,)", "(m,)",
    "(0, i, x)", "(m, x)", "(c,)", "(-1,)", "((2, 6), (1, 2))", "(x, x)", "([1.0, 2.0],)", "(lambda g: g,)", "({},)",
]
SIZES = {"float": (3, 4), "one": (), "none": (0, 3)}
problems = []


def tensors(kind):
    x = torch.arange(12.0).reshape(3, 4)
    x = {"float": x, "one": x[0, 1], "none": x[:0, :3], "ints": x.long(), "leaf": x.requires_grad_()}[kind].to("cuda")
    if kind == "leaf":
        x = x.detach().requires_grad_()
    return {"x": x, "i": torch.tensor([0, 2]).to("cuda"), "m": (x.detach() > 1), "c": torch.ones(3, 4), "torch": torch}


def attempt(what, call):
    try:
        result = call()
        if isinstance(result, Tensor):
            repr(result)
    except Exception:
        pass
    except BaseException as error:
        problems.append(f"{what}: {type(error).__name__}: {error}")


# A minute for all; `make test-cuda` takes them all.
KINDS = ("float", "one", "none", "ints", "leaf") if "RUSTNN_ALL_KERNELS" in os.environ else ("none", "leaf")
for kind in KINDS:
    for name in dir(Tensor):
        if name in DECLARED or name in LEFT_OUT:
            continue
        made = tensors(kind)
        attempt(f"{kind}.{name}", lambda: getattr(made["x"], name))
        if not callable(getattr(Tensor, name, None)):
            attempt(f"{kind}.{name} =", lambda: setattr(made["x"], name, made["x"]))
            attempt(f"{kind}.{name} = on the CPU", lambda: setattr(tensors(kind)["x"], name, made["c"]))
            continue
        for text in ARGUMENTS:
            made = tensors(kind)
            attempt(f"{kind}.{name}{text}", lambda: getattr(made["x"], name)(*eval(text, made)))

for module in (torch, F, torch.linalg, torch.nn.init, torch.nn.utils):
    for name in dir(module):
        f = getattr(module, name)
        if name in DECLARED or name in LEFT_OUT or name.startswith("_") or not callable(f) or isinstance(f, type):
            continue
        for text in ("(x,)", "(x, x)", "(x, 1)", "(x, i)", "([x, x],)", "(x, c)", "(x, x, x)", "([x, c],)"):
            made = tensors("float")
            attempt(f"{module.__name__}.{name}{text}", lambda: f(*eval(text, made)))

with open(sys.argv[1], "w") as file:
    file.write("\\n".join(problems))
"""


def test_no_call_panics(tmp_path: Path) -> None:
    assert conftest.REASON is None
    found = tmp_path / "found"
    done = subprocess.run(
        [sys.executable, "-c", CALLS, str(found)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert found.read_text() == ""
