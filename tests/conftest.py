"""What every test shares: which library is under test.

That is rustnn, unless RUSTNN_CANDIDATE names another module with the same API: `RUSTNN_CANDIDATE=torch`
runs the whole suite on PyTorch itself, and so checks the tests. `import rustnn`, `from rustnn import nn`
and `import rustnn.nn.functional` then mean the candidate.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator

import pytest

CANDIDATE = os.environ.get("RUSTNN_CANDIDATE", "rustnn")
SUBMODULES = (
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "optim",
    "optim.lr_scheduler",
    "autograd",
    "autograd.gradcheck",
    "autograd.graph",
    "utils",
    "utils.checkpoint",
    "utils.data",
)

if CANDIDATE != "rustnn":
    sys.modules["rustnn"] = importlib.import_module(CANDIDATE)
    for name in SUBMODULES:
        sys.modules[f"rustnn.{name}"] = importlib.import_module(f"{CANDIDATE}.{name}")


@pytest.fixture
def each_warning() -> Iterator[None]:
    """What rustnn says once in a process is said each time."""
    import rustnn

    rustnn.set_warn_always(True)
    yield
    rustnn.set_warn_always(False)
