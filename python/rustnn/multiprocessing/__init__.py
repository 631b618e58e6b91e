"""Python's ``multiprocessing`` with tensors that stay in memory that both processes see.

Everything of the standard module is here; a tensor that goes through a queue or a pipe, or to a spawned
process, is not copied for the receiver: what one writes the other reads. See `reductions`.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

from rustnn.multiprocessing.reductions import init_reductions as init_reductions
from rustnn.multiprocessing.spawn import ProcessContext as ProcessContext
from rustnn.multiprocessing.spawn import ProcessExitedException as ProcessExitedException
from rustnn.multiprocessing.spawn import ProcessRaisedException as ProcessRaisedException
from rustnn.multiprocessing.spawn import SpawnContext as SpawnContext
from rustnn.multiprocessing.spawn import spawn as spawn
from rustnn.multiprocessing.spawn import start_processes as start_processes

__all__ = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]
__all__ += multiprocessing.__all__


def get_all_sharing_strategies() -> set[str]:
    """How memory can be shared: by passing files that have no name."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """How memory is shared: ``"file_descriptor"``."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Chooses how memory is shared.

    ``"file_system"``, for which PyTorch leaves files behind if a process dies, is taken for the same.
    AssertionError for others.
    """
    assert new_strategy in ("file_descriptor", "file_system")


init_reductions()
