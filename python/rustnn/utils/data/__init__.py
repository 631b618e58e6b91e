"""Data sets, the order in which their samples are taken, and how samples become batches."""

from __future__ import annotations

from rustnn.utils.data.collate import default_collate, default_convert
from rustnn.utils.data.dataloader import DataLoader, _DatasetKind
from rustnn.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from rustnn.utils.data.distributed import DistributedSampler
from rustnn.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from rustnn.utils.data.worker_info import get_worker_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "_DatasetKind",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

_PIPES = (
    "DFIterDataPipe DataChunk IterDataPipe MapDataPipe argument_validation functional_datapipe "
    "guaranteed_datapipes_determinism non_deterministic runtime_validation runtime_validation_disabled"
).split()


def __getattr__(name: str) -> NoReturn:
    if name in _PIPES:
        raise NotImplementedError(
            f"rustnn.utils.data has no DataPipes, and so no {name}: write an IterableDataset instead"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
