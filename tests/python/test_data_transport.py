"""What travels from workers to the loop, and the memory in which it does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from left_behind import (  # noqa: F401
    Rows,
    helpers_of_multiprocessing,
    nothing_left,
    open_files,
    ours_alone,
    workers_are_counted,
)

import rustnn
from rustnn.utils.data import DataLoader, Dataset

pytestmark = [*workers_are_counted, pytest.mark.usefixtures("helpers_of_multiprocessing", "nothing_left")]


ODD = {
    "views": lambda: (lambda base: [base, base[1:], base.t()])(rustnn.arange(6.0).view(2, 3)),
    "empty": lambda: [rustnn.empty(0, 3), rustnn.tensor(5), rustnn.tensor(True)],
    "kinds": lambda: [rustnn.ones(3, dtype=rustnn.bfloat16), rustnn.ones(2, dtype=rustnn.complex64)],
    "part of much": lambda: rustnn.arange(1000000.0)[10:12],
    "strided": lambda: rustnn.arange(12.0).view(3, 4)[:, ::2],
    "channels last": lambda: rustnn.ones(2, 3, 4, 5).to(memory_format=rustnn.channels_last),
    "gradient": lambda: rustnn.ones(3, requires_grad=True),
    "parameter": lambda: rustnn.nn.Parameter(rustnn.ones(3)),
    "long": lambda: ["x" * 300000, list(range(30000))],
    "large": lambda: [rustnn.ones(1 << 20) * i for i in range(5)],
    "many": lambda: [rustnn.full((3000,), float(i)) for i in range(400)],
    "nothing": lambda: None,
}


class Odd(Dataset):
    def __init__(self, name):
        self.name = name

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return ODD[self.name]()


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, rustnn.Tensor):
        assert (a.dtype, a.shape, a.requires_grad) == (b.dtype, b.shape, b.requires_grad)
        if a.numel() < 1000 and a.numel():
            assert a.stride() == b.stride()
        assert rustnn.equal(a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("name", ODD)
def test_what_travels(name):
    for sample in DataLoader(Odd(name), batch_size=None, num_workers=1):
        same(sample, ODD[name]())
        if name == "views":
            sample[0][1, 0] = 70
            assert sample[1][0, 0] == 70
            assert sample[2][0, 1] == 70


def test_batches_are_in_shared_memory():
    (batch,) = DataLoader(Rows(4, 5), batch_size=4, num_workers=1)
    assert batch["row"].is_shared()
    assert batch["row"][1:].untyped_storage().is_shared()


@ours_alone
def test_numpy_arrays_travel_too():
    np = pytest.importorskip("numpy")
    data = [np.arange(50000.0), np.ones((3, 4))[:, ::2], np.array(["a"]), np.array([object])]
    for found, sent in zip(
        DataLoader(data, batch_size=None, num_workers=1, collate_fn=list_of), data, strict=True
    ):
        assert (found[0] == sent).all()
        assert found[0].flags.writeable


def list_of(sample):
    return [sample]


@ours_alone
def test_memory_is_used_again_when_nobody_looks_at_it():
    loader = DataLoader(Rows(400, 5000), batch_size=4, num_workers=1)
    seen = set()
    held = None
    for i, batch in enumerate(loader):
        seen.add(batch["row"].data_ptr())
        if i == 3:
            held = batch["row"]
        assert batch["row"][:, 0].tolist() == [4.0 * i + k for k in range(4)]
    assert len(seen) < 12, "every batch has memory of its own"
    assert held[:, -1].tolist() == [12.0, 13.0, 14.0, 15.0]
    del batch


@ours_alone
def test_batches_that_are_kept_do_not_use_up_files():
    loader = DataLoader(Rows(600, 50), batch_size=2, num_workers=2)
    before = len(open_files())
    batches = list(loader)
    assert len(open_files()) - before < 100
    assert [b["row"][0, 0].item() for b in batches] == [2.0 * i for i in range(300)]
    assert [b["row"][1, -1].item() for b in batches] == [2.0 * i + 1 for i in range(300)]
    del batches


class Wordy(Dataset):
    """Batches of many small things."""

    def __len__(self):
        return 400000

    def __getitem__(self, i):
        return str(i)


def test_tasks_and_batches_that_fill_the_sockets():
    loader = DataLoader(Wordy(), batch_size=50000, num_workers=2, prefetch_factor=4, timeout=50)
    for k, batch in enumerate(loader):
        assert (batch[0], len(batch)) == (str(50000 * k), 50000)


class Keeper(Dataset):
    """Its collate function keeps what it made, in the worker."""

    kept: list = []  # noqa: RUF012

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return rustnn.full((100,), float(i))


def keeping(samples):
    batch = rustnn.utils.data.default_collate(samples)
    Keeper.kept.append(batch)
    return batch, [kept[0, 0].item() for kept in Keeper.kept]


def test_what_a_worker_keeps_stays_as_it_was():
    for i, (batch, kept) in enumerate(DataLoader(Keeper(), 1, num_workers=1, collate_fn=keeping)):
        assert batch[0, 0] == i
        assert kept == [float(k) for k in range(i + 1)]


@ours_alone
@pytest.mark.parametrize("persistent", [False, True])
def test_memory_does_not_grow_with_epochs(persistent):
    class Memory(Rows):
        def __getitem__(self, i):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return rustnn.full((10000,), float(i)), pages, len(os.listdir("/proc/self/fd"))

    loader = DataLoader(Memory(60), batch_size=4, num_workers=1, persistent_workers=persistent)
    peaks = []
    for _ in range(12):
        largest = [0, 0]
        for _, pages, files in loader:
            largest = [max(largest[0], pages.max().item()), max(largest[1], files.max().item())]
        peaks.append(largest)
        for _ in loader:  # a pass that is left early gives its memory back as well
            break
    assert peaks[-1][0] - peaks[2][0] < 500, peaks
    assert peaks[-1][1] <= peaks[2][1] + 1, peaks
    mine = int(Path("/proc/self/statm").read_text().split()[1])
    for _ in range(5):
        list(loader)
    assert int(Path("/proc/self/statm").read_text().split()[1]) - mine < 2000
