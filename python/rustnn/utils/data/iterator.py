"""One pass of a ``DataLoader`` through its data set, in the process that asks for the batches."""

from __future__ import annotations

import sys

from rustnn.utils.data.dataset import IterableDataset
from rustnn.utils.data.fetcher import make_fetcher
from rustnn.utils.data.sampler import draw_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from rustnn.utils.data.dataloader import DataLoader


class _BaseDataLoaderIter:
    """What passes with and without workers share: numbers come from the sampler, batches are counted."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset = loader.dataset
        self._iterable = isinstance(loader.dataset, IterableDataset)
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._pin_memory = loader.pin_memory and _can_pin(loader)
        self._sampler_iter: Iterator[Any] = iter(self._index_sampler)
        # PyTorch draws a seed for workers at the start of every pass, workers or not; what is drawn after it
        # (the sampler's seed first of all) is the same only if we do too.
        self._base_seed = draw_seed(loader.generator)
        self._num_yielded = 0
        self._length_told = loader._IterableDataset_len_called

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._length_told = loader._IterableDataset_len_called

    def __iter__(self) -> Self:
        return self

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._pin_memory:
            from rustnn.utils.data.pinning import pin_memory

            data = pin_memory(data)
        if self._length_told is not None and self._num_yielded > self._length_told and self._iterable:
            import warnings

            text = (
                f"Length of IterableDataset {self._dataset} was reported to be {self._length_told}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
            )
            if self._num_workers > 0:
                text += (
                    "For multiprocessing data-loading, this could be caused by not properly configuring the "
                    "IterableDataset replica at each worker. Please see "
                    "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
                )
            warnings.warn(text, stacklevel=2)
        return data

    def __len__(self) -> int:
        return len(self._index_sampler)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches each batch when it is asked for."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if self._num_workers != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires num_workers == 0")
        self._fetcher = make_fetcher(
            self._dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def _next_data(self) -> Any:
        return self._fetcher.fetch(self._next_index())


def _can_pin(loader: DataLoader[Any]) -> bool:
    """Whether there is a GPU that page-locked memory would serve; warns if there is none."""
    import warnings

    from rustnn import cuda

    # Told where the loop is, not somewhere in here.
    level = 2
    while sys._getframe(level - 1).f_globals.get("__name__", "").startswith("rustnn.utils.data"):
        level += 1
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=level,
        )
    if cuda.is_available():
        return True
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't "
        "be used.",
        stacklevel=level,
    )
    return False
