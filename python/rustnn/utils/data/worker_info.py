"""What a worker process knows of itself, and how the user's code asks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["WorkerInfo", "get_worker_info"]


class WorkerInfo:
    """What a worker knows of itself.

    ``id`` counts from 0 to ``num_workers`` - 1, ``seed`` is what its random numbers start from, ``dataset``
    is its copy of the data set. ``rng`` and ``worker_method`` are there because PyTorch has them.
    """

    __slots__ = ("dataset", "id", "num_workers", "rng", "seed", "worker_method")

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: None
    worker_method: str

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        values = {"id": id, "num_workers": num_workers, "seed": seed, "dataset": dataset}
        for name, value in {**values, "rng": None, "worker_method": "multiprocessing"}.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError(f"Cannot assign attributes to {type(self).__name__} objects")

    def __repr__(self) -> str:
        fields = ("id", "num_workers", "seed", "dataset", "rng", "worker_method")
        return f"WorkerInfo({', '.join(f'{name}={getattr(self, name)!r}' for name in fields)})"


# Set in a worker before anything of the user's runs.
current: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What the worker knows of itself: its number, how many there are, its seed, its data set.

    None in the main process.
    """
    return current
