"""Whole scripts: the demo's network trained with both libraries, the order of the data, saving and loading."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.compare import compare
from parity.data import DTYPES
from parity.programs import CANDIDATE, REFERENCE, hold

DEMO = Path(__file__).parents[2] / "examples" / "mnist.py"
NAMES = {CANDIDATE: CANDIDATE.__name__, REFERENCE: "torch"}


def demo_network(lib: ModuleType) -> Any:
    """The network of examples/mnist.py, built with either library from the same text."""
    text = DEMO.read_text()
    start, end = text.index("def block("), text.index("def judge(")
    namespace: dict[str, Any] = {"torch": lib, "nn": lib.nn, "__name__": "demo"}
    exec("from __future__ import annotations\n" + text[start:end], namespace)
    return namespace["Net"]()


def train_demo(lib: ModuleType, optimizer: str, dropout: bool) -> list[float]:
    """The losses of 20 steps on made-up digits: noise, with a bright square where the label says."""
    numbers = np.random.default_rng(5)
    labels = numbers.integers(0, 10, 320)
    images = numbers.normal(size=(320, 1, 28, 28)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label : 2 * label + 6, 4:20] += 3
    lib.manual_seed(3)
    net = demo_network(lib)
    if not dropout:
        net.classifier[1].p = 0.0
    data = lib.utils.data.TensorDataset(lib.from_numpy(images), lib.from_numpy(labels))
    loader = lib.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    criterion = lib.nn.CrossEntropyLoss()
    step = eval(f"optim.{optimizer}", {"optim": lib.optim, "params": net.parameters()})
    losses: list[float] = []
    for _ in range(2):
        for x, y in loader:
            step.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            step.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("optimizer", ["SGD(params, lr=0.02, momentum=0.9)", "Adam(params, lr=0.001)"])
def test_same_seed_same_losses(optimizer: str) -> None:
    """The demo's network, twenty steps: the losses agree to 1e-4 at every step.

    Without dropout, whose stream PyTorch draws differently on some processors.
    """
    ours, theirs = (train_demo(lib, optimizer, dropout=False) for lib in (CANDIDATE, REFERENCE))
    assert len(ours) == 20
    assert theirs[-1] < theirs[0] / 2, "nothing was learnt: the test would prove nothing"
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_learns_with_dropout() -> None:
    losses = train_demo(CANDIDATE, "Adam(params, lr=0.001)", dropout=True)
    assert losses[-1] < losses[0] / 2


LOADERS = """
D.DataLoader(_d, batch_size=4)
D.DataLoader(_d, batch_size=4, shuffle=True)
D.DataLoader(_d, batch_size=4, shuffle=True, drop_last=True)
D.DataLoader(_d, batch_size=3, drop_last=True)
D.DataLoader(_d)
D.DataLoader(_d, batch_size=None)
D.DataLoader(list(range(7)), batch_size=3, shuffle=True)
D.DataLoader([{"a": i, "b": (i, [i])} for i in range(5)], batch_size=2)
D.DataLoader([np.ones(2) * i for i in range(5)], batch_size=2)
D.DataLoader([(1.5, "a"), (2.5, "b"), (3.5, "c")], batch_size=2)
D.DataLoader(_d, batch_size=4, collate_fn=len)
D.DataLoader(_d, batch_size=4, sampler=D.SequentialSampler(_d))
D.DataLoader(_d, batch_sampler=[[0, 1], [5], [2, 3, 4]])
D.DataLoader(_d, batch_size=2, shuffle=True, generator=_g)
D.DataLoader(D.Subset(_d, [3, 1, 2]), batch_size=2)
D.DataLoader(_d, batch_size=0)
D.DataLoader(_d, batch_size=2, shuffle=True, sampler=D.SequentialSampler(_d))
D.DataLoader([torch.ones(2), torch.ones(3)], batch_size=2)
D.DataLoader([None, None], batch_size=2)
D.DataLoader([], batch_size=2)
""".strip().splitlines()


@pytest.mark.parametrize("loader", LOADERS)
def test_loader(loader: str) -> None:
    """Two passes, so that the second starts where the first left the generator."""
    hold(f"""
D = torch.utils.data
_d = D.TensorDataset(torch.arange(10), torch.arange(20.0).view(10, 2))
_g = torch.Generator().manual_seed(4)
_l = {loader}
x = [list(_l), list(_l)]
n = len(_l)
after = torch.rand(2)
del D
""")


DATASETS = """
x = [v[0] for v in D.TensorDataset(torch.arange(3))]
x = len(D.TensorDataset(torch.arange(3), torch.ones(3, 2)))
x = D.TensorDataset(torch.arange(3), torch.ones(2))
x = [list(s) for s in D.random_split(range(10), [7, 3])]
x = [list(s.indices) for s in D.random_split(range(10), [0.5, 0.5])]
x = D.random_split(range(10), [7, 4])
x = list(D.RandomSampler(range(6)))
x = list(D.BatchSampler(range(7), 3, False))
x = list(D.ConcatDataset([[1, 2], [3]]))
x = D.default_collate([1, 2, 3])
""".strip().splitlines()


@pytest.mark.parametrize("program", DATASETS)
def test_dataset(program: str) -> None:
    hold(f"D = torch.utils.data\n{program}\ndel D")


def states(lib: ModuleType) -> dict[str, Any]:
    """Things that people save, made by one library."""
    lib.manual_seed(1)
    shared = lib.arange(12.0).view(3, 4)
    optimizer = lib.optim.Adam([lib.nn.Parameter(lib.ones(3))], lr=0.1)
    return {
        "network": demo_network(lib).state_dict(),
        "dtypes": {name: lib.tensor([0, 1, 1], dtype=getattr(lib, name)) for name in DTYPES},
        "shapes": [lib.zeros(0), lib.tensor(3.5), lib.zeros(2, 0, 3), lib.ones(2, 3).t(), shared[1:, ::2]],
        "shared": [shared, shared[0]],
        "grad": lib.ones(2, requires_grad=True),
        "parameter": lib.nn.Parameter(lib.ones(2)),
        "checkpoint": {
            "epoch": 3,
            "loss": 0.5,
            "optimizer": optimizer.state_dict(),
            "note": "ok",
            "none": None,
        },
        "plain": {"list": [1, 2.5, True, "x"], "tuple": (1, (2,)), "bytes": b"ab", 3: {4: 5}},
    }


@pytest.mark.parametrize("what", list(states(REFERENCE)))
def test_save_and_load_both_ways(what: str, tmp_path: Path) -> None:
    """What one library writes, both read, and find the same in it."""
    ours, theirs = states(CANDIDATE)[what], states(REFERENCE)[what]
    CANDIDATE.save(ours, tmp_path / "ours.pth")
    REFERENCE.save(theirs, tmp_path / "theirs.pth")
    for file in ("ours.pth", "theirs.pth"):
        a, b = (lib.load(tmp_path / file) for lib in (CANDIDATE, REFERENCE))
        compare(a, b, file, rtol=1e-6, atol=1e-6)
    with open(tmp_path / "theirs.pth", "rb") as stream:
        compare(CANDIDATE.load(stream), theirs, "stream", rtol=1e-6, atol=1e-6)


def test_shared_storage_stays_shared(tmp_path: Path) -> None:
    REFERENCE.save(states(REFERENCE)["shared"], tmp_path / "x.pth")
    whole, row = CANDIDATE.load(tmp_path / "x.pth")
    row.fill_(-1)
    assert whole[0].tolist() == [-1, -1, -1, -1]


def test_foreign_code_is_not_run(tmp_path: Path) -> None:
    """`weights_only` is the default: a pickle that would call something is refused by both."""

    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("run",))

    REFERENCE.save({"x": Evil()}, tmp_path / "evil.pth")
    for lib in (CANDIDATE, REFERENCE):
        with pytest.raises(pickle.UnpicklingError):
            lib.load(tmp_path / "evil.pth")


def test_broken_files(tmp_path: Path) -> None:
    REFERENCE.save(states(REFERENCE)["network"], tmp_path / "good.pth")
    good = (tmp_path / "good.pth").read_bytes()
    broken = {
        "empty": b"",
        "text": b"not a checkpoint",
        "zip": b"PK\x03\x04",
        **{f"cut{n}": good[: len(good) * n // 7] for n in range(1, 7)},
    }
    for name, content in broken.items():
        path = tmp_path / name
        path.write_bytes(content)
        for lib in (CANDIDATE, REFERENCE):
            with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError, ValueError, OSError)):
                lib.load(path)
    for lib in (CANDIDATE, REFERENCE):
        with pytest.raises(FileNotFoundError):
            lib.load(tmp_path / "missing")
