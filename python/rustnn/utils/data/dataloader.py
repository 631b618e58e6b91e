"""``DataLoader``: walks through a data set in batches."""

from __future__ import annotations

from itertools import islice
from types import GenericAlias

from rustnn import _C
from rustnn.utils.data.collate import default_collate, default_convert
from rustnn.utils.data.dataset import IterableDataset, Subset, TensorDataset
from rustnn.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = ["DataLoader", "get_worker_info"]

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def get_worker_info() -> None:
    """``None``: what the main process gets; samples are not loaded by other processes yet."""
    return


class DataLoader:
    """Batches of ``dataset``, which has ``__getitem__`` and ``__len__`` or is an ``IterableDataset``.

    ``shuffle`` takes the samples in a new random order in every pass; ``sampler`` or ``batch_sampler`` say
    the order themselves; ``drop_last`` leaves a last, shorter batch out; ``collate_fn`` makes a batch of a
    list of samples; ``batch_size=None`` yields single samples. ValueError for options that do not go
    together. ``num_workers`` above 0 is not implemented yet.
    """

    __class_getitem__: Any = classmethod(GenericAlias)
    _initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.in_order = in_order
        _check_context(multiprocessing_context, num_workers)
        self.multiprocessing_context = multiprocessing_context

        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, value, wanted in (
                ("shuffle", shuffle, (None, False)),
                ("sampler", sampler, (None,)),
                ("batch_sampler", batch_sampler, (None,)),
            ):
                if not any(value is allowed for allowed in wanted):
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                        f"{name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if num_workers > 0:
            raise NotImplementedError(
                f"rustnn loads data in one process as yet: num_workers={num_workers} is not supported, use "
                "num_workers=0"
            )
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            # For an iterable data set this only checks the numbers; nothing is drawn from it.
            batch_sampler = BatchSampler(sampler if sampler is not None else (), batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        return _Pass(self)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            length = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]


class _Pass:
    """One pass through a loader's data set."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if loader.pin_memory:
            import warnings

            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned "
                "memory won't be "
                "used.",
                stacklevel=3,
            )
        self._length: Callable[[], int] = loader.__len__
        # PyTorch draws a seed for workers at the start of every pass, workers or not; what is drawn after it
        # (the sampler's seed first of all) is the same only if we do too.
        self._base_seed = draw_seed(loader.generator)
        self._batches = iter(_batches(loader))

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    def __len__(self) -> int:
        return self._length()


def _batches(loader: DataLoader) -> Iterator[Any]:
    dataset, collate = loader.dataset, loader.collate_fn
    if isinstance(dataset, IterableDataset):
        samples = iter(dataset)
        if loader.batch_sampler is None:
            yield from (collate(sample) for sample in samples)
            return
        size = loader.batch_size or 1
        while batch := list(islice(samples, size)):
            if len(batch) < size and loader.drop_last:
                return
            yield collate(batch)
    elif loader.batch_sampler is None:
        for index in loader.sampler or ():
            yield collate(dataset[index])
    else:
        getitems = getattr(dataset, "__getitems__", None)
        gather = collate is default_collate and _is_tensors(dataset)
        for indices in loader.batch_sampler:
            if gather and type(indices) is list and indices and all(type(i) is int for i in indices):
                yield _gather(dataset, indices)
            elif getitems:
                yield collate(getitems(indices))
            else:
                yield collate([dataset[i] for i in indices])


def _is_tensors(dataset: Any) -> bool:
    """Whether this is a TensorDataset, or subsets of one, without methods of somebody else's."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset


def _gather(dataset: Any, indices: list[int]) -> list[Any]:
    """What collating the samples one by one would give, by one gather a tensor."""
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    numbers = _C.tensor(indices, dtype=_C.int64)
    return [tensor[numbers].contiguous() for tensor in dataset.tensors]


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_context(context: Any, num_workers: int) -> None:
    if context is None:
        return
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    from multiprocessing import get_all_start_methods
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        methods = get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
    elif not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            "start "
            f"method, but got multiprocessing_context={context}"
        )
