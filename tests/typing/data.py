"""Data sets, samplers, loaders, collate functions, transforms."""

from collections.abc import Iterator, Sequence
from typing import assert_type

import rustnn as torch
from rustnn import Tensor
from rustnn.datasets import transforms
from rustnn.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


class Squares(Dataset[tuple[Tensor, int]]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.tensor([float(index), float(index) ** 2]), index % 2


class Counting(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        worker = torch.utils.data.get_worker_info()
        start = 0 if worker is None else worker.id
        return iter(range(start, 10))


def collate(batch: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    points, labels = zip(*batch, strict=True)
    return torch.stack(points), torch.tensor(labels)


squares = Squares(10)
assert_type(squares[0], tuple[Tensor, int])
assert_type(squares[0][0], Tensor)
loader = DataLoader(squares, batch_size=4, shuffle=True, collate_fn=collate, drop_last=True, num_workers=0)
for points, labels in loader:
    print(points.shape, labels)
assert_type(len(loader), int)
for number in DataLoader(Counting(), batch_size=None):
    print(number)
train, test = random_split(squares, [0.8, 0.2])
assert_type(train, Subset[tuple[Tensor, int]])
assert_type(len(train), int)
both = ConcatDataset([squares, squares])
tensors = TensorDataset(torch.zeros(4, 2), torch.zeros(4))
assert_type(tensors[0], tuple[Tensor, ...])
weighted = DataLoader(squares, batch_size=2, sampler=WeightedRandomSampler([1.0] * 10, 10))


def seed(worker: int) -> None:
    torch.manual_seed(worker)


others = DataLoader(
    tensors, 2, worker_init_fn=seed, generator=torch.Generator().manual_seed(3), pin_memory=False
)
x, y = next(iter(others))
pairs = [(torch.zeros(2), 1), (torch.ones(2), 0)]
assert_type(DataLoader(pairs), DataLoader[tuple[Tensor, int]])
assert_type(random_split(pairs, [1, 1]), list[Subset[tuple[Tensor, int]]])
assert_type(DataLoader(torch.zeros(4, 2)), DataLoader[Tensor])
assert_type(DataLoader(squares), DataLoader[tuple[Tensor, int]])
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
