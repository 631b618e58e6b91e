"""Training over several processes, which is not available: ``is_available()`` says so, all else raises.

A script that asks first runs on one device; what it calls without asking tells what is missing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_WITHOUT_GROUP = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


def is_available() -> bool:
    """Whether there are process groups: False."""
    return False


def is_initialized() -> bool:
    """Whether this process belongs to a group: False."""
    return False


is_gloo_available = is_mpi_available = is_nccl_available = is_ucc_available = is_xccl_available = is_available


def is_backend_available(backend: str) -> bool:
    """Whether groups can talk by that library: False."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether the process was started by torchrun, which tells in the environment."""
    import os

    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: there are no process groups."""
    raise RuntimeError(
        "init_process_group(): rustnn trains in one process. Guard the call with "
        "torch.distributed.is_available(), and start the script without torchrun."
    )


def destroy_process_group(group: Any = None) -> None:
    """Leaves the group. AssertionError: there is none."""
    raise AssertionError("Process group cannot be None")


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number of this process on its machine, from the environment. RuntimeError without one."""
    import os

    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
        "`get_node_local_rank` to work, assuming you are not running in a multi-device context and want the "
        "code to run locally instead."
    )


class ReduceOp:
    """How numbers of several processes become one; names only."""

    SUM = "SUM"
    AVG = "AVG"
    PRODUCT = "PRODUCT"
    MIN = "MIN"
    MAX = "MAX"
    BAND = "BAND"
    BOR = "BOR"
    BXOR = "BXOR"
    PREMUL_SUM = "PREMUL_SUM"


def _needs_group(*args: Any, **kwargs: Any) -> NoReturn:
    """ValueError: this process belongs to no group."""
    raise ValueError(_WITHOUT_GROUP)


get_rank = get_world_size = get_backend = get_process_group_ranks = new_group = _needs_group
barrier = monitored_barrier = all_reduce = all_gather = all_gather_into_tensor = all_gather_object = (
    _needs_group
)
all_to_all = all_to_all_single = broadcast = broadcast_object_list = gather = gather_object = _needs_group
reduce = reduce_scatter = reduce_scatter_tensor = scatter = scatter_object_list = _needs_group
send = recv = isend = irecv = batch_isend_irecv = _needs_group


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"module 'rustnn.distributed' has no attribute '{name}': rustnn trains in one process"
    )
