"""The share of the samples that one of several training processes takes."""

from __future__ import annotations

from rustnn import _C
from rustnn.utils.data.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th number of a data set, from ``rank`` on.

    ``shuffle`` puts the numbers in an order that depends on ``seed`` and the epoch told by ``set_epoch``,
    the same in all processes. So that all get equally many, some come twice, or with ``drop_last`` some are
    left out. ValueError without ``num_replicas`` and ``rank``: there are no process groups to ask, or for a
    rank that is not among them.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call init_process_group."
            )
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        if drop_last and count % num_replicas:
            # PyTorch's count, which is not negative for fewer samples than processes either.
            self.num_samples = max(0, count // num_replicas)
        else:
            self.num_samples = -(-count // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = _C.Generator()
            generator.manual_seed(self.seed + self.epoch)
            numbers = _C.randperm(count, generator=generator).tolist()
        else:
            numbers = list(range(count))
        if self.drop_last:
            numbers = numbers[: self.total_size]
        elif numbers:
            missing = self.total_size - len(numbers)
            numbers += (numbers * -(-missing // len(numbers)))[:missing]
        if len(numbers) != self.total_size:
            raise AssertionError(
                f"Number of indices ({len(numbers)}) does not match total size ({self.total_size})"
            )
        return iter(numbers[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Tell the number of the pass, so that the next order is another one."""
        self.epoch = epoch
