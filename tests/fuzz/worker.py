"""The process in which fuzzed calls are made: it may die, and then the test knows which call did it.

Reads programs, one JSON string a line, and answers each with one JSON line: null where it ran, or what it
raised. Results are looked at as well (printed, summed, differentiated): a bad tensor must not go unnoticed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any

import numpy as np

EXTRA_MEMORY = 2 << 30  # what a call may take beyond the libraries: larger allocations must fail politely
EXPECTED = (
    TypeError,
    ValueError,
    RuntimeError,
    IndexError,
    NotImplementedError,
    MemoryError,
    OverflowError,
)


def limit_memory() -> None:
    """Let allocations of many gigabytes fail here, whatever the machine has."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_MEMORY, used + EXTRA_MEMORY))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: the huge sizes are then refused by the allocator itself


def look_at(value: Any, torch: Any, depth: int = 0) -> None:
    """Use a result as its owner would."""
    if isinstance(value, torch.Tensor):
        if value.numel() > 1_000_000:
            return
        repr(value)
        value.clone().contiguous()
        if value.requires_grad and value.dtype.is_floating_point:
            (value * value).sum().backward()
    elif isinstance(value, (tuple, list)) and depth < 2:
        for item in value[:5]:
            look_at(item, torch, depth + 1)
    else:
        repr(value)


def answer(program: str, torch: Any) -> dict[str, Any] | None:
    namespace: dict[str, Any] = {
        "torch": torch,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "optim": torch.optim,
        "data": torch.utils.data,
        "np": np,
        "nan": float("nan"),
        "inf": float("inf"),
    }
    torch.manual_seed(0)
    try:
        exec(program, namespace)
        look_at(namespace.get("x"), torch)
    except BaseException as error:
        return {
            "class": type(error).__name__,
            "expected": isinstance(error, EXPECTED),
            "message": str(error)[:300],
        }
    finally:
        torch.set_num_threads(2)
    return None


def main() -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    torch = importlib.import_module(os.environ.get("RUSTNN_CANDIDATE", "rustnn"))
    importlib.import_module(torch.__name__ + ".utils.data")
    (torch.ones(100, 100) @ torch.ones(100, 100)).sum().item()  # threads start before the limit
    limit_memory()
    # Answers go to a copy of stdout: what a call prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line), torch)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
