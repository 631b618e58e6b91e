"""Loaders, data sets and samplers: the same batches in the same order, the same random streams before, in
and after workers, the same complaints."""

from __future__ import annotations

import gc
import re
import traceback
from typing import Any

import pytest

from parity.compare import Different, compare
from parity.programs import CANDIDATE, REFERENCE, run, same_outcome

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    # PyTorch's own, of an iterator that was refused.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function _MultiProcessingDataLoaderIter"
        ":pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

PREAMBLE = """
import collections, random, warnings
D = torch.utils.data

class _Numbers(D.Dataset):
    def __init__(self, n=11): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i): return i

class _Noise(_Numbers):
    def __getitem__(self, i):
        _info = D.get_worker_info()
        _who = -1 if _info is None else _info.id
        return {"i": i, "worker": _who, "torch": torch.rand(3), "python": random.random() if _info else 0.0,
                "numpy": np.random.rand() if _info else 0.0, "seed": 0 if _info is None else _info.seed}

class _Stream(D.IterableDataset):
    def __init__(self, n=5, told=None): self.n, self.told = n, told
    def __iter__(self):
        _info = D.get_worker_info()
        _who = 0 if _info is None else _info.id
        return iter(range(100 * _who, 100 * _who + self.n - _who))
    def __len__(self):
        if self.told is None: raise TypeError("no length")
        return self.told

class _Eager(D.Sampler):
    def __init__(self, n): self.n = n
    def __iter__(self): return iter(torch.randperm(self.n).tolist())
    def __len__(self): return self.n

class _Counting(D.Sampler):
    count = 0
    def __iter__(self):
        _Counting.count += 1
        return iter([2, 0, 1])
    def __len__(self): return 3

_t = D.TensorDataset(torch.arange(11), torch.arange(22.0).view(11, 2))
_g = torch.Generator().manual_seed(4)
"""
PUBLIC = "D collections random warnings".split()


def program(text: str) -> str:
    return f"{PREAMBLE}\n{text}\ndel {', '.join(PUBLIC)}"


LOADERS = """
_Noise(), batch_size=4
_Noise(), batch_size=4, shuffle=True
_Noise(), batch_size=4, shuffle=True, drop_last=True
_Noise(), batch_size=None
_Noise(), batch_size=None, shuffle=True
_Noise(), batch_size=3, shuffle=True, generator=_g
_Noise(), batch_size=3, sampler=D.RandomSampler(range(11), True, 17)
_Noise(), batch_size=3, sampler=D.RandomSampler(range(11), num_samples=25)
_Noise(), batch_size=3, sampler=_Eager(11)
_Noise(), batch_sampler=D.BatchSampler(_Eager(11), 4, True)
_Noise(), batch_size=3, sampler=D.SubsetRandomSampler([4, 5, 6, 7, 8])
_Noise(), batch_size=3, sampler=D.WeightedRandomSampler([0.1, 0.9, 3.0, 1.0], 9)
_Noise(), batch_size=2, sampler=D.WeightedRandomSampler([0.1, 0.9, 3.0, 1.0], 4, False, _g)
_Noise(), batch_size=3, sampler=D.DistributedSampler(range(11), 3, 1)
_Noise(), batch_sampler=[[0, 1], [5], [2, 3, 4]]
_Noise(0), batch_size=3
_t, batch_size=4, shuffle=True
_t, batch_size=4
_t, batch_size=None, shuffle=True
_t, batch_sampler=[[0, -1], [5]]
_t, batch_sampler=[(0, 3), (5,)]
D.Subset(_t, [3, 1, 2]), batch_size=2
D.Subset(_Noise(), [3, 1, 2]), batch_size=2
D.Subset(D.Subset(_t, range(2, 9)), [3, 1, 2]), batch_size=2, shuffle=True
D.ConcatDataset([_t, _t]), batch_size=4, shuffle=True
D.StackDataset(_t, _Numbers()), batch_size=4
D.StackDataset(a=_t, b=_Numbers()), batch_size=4, shuffle=True
_Stream(), batch_size=2
_Stream(), batch_size=2, drop_last=True
_Stream(), batch_size=None
_Stream(2), batch_size=3
_Stream(5, 3), batch_size=2
D.ChainDataset([_Stream(), _Stream(3)]), batch_size=2
list(range(7)), batch_size=3, shuffle=True
[{"a": i, "b": (i, [i])} for i in range(5)], batch_size=2
[np.ones(2) * i for i in range(5)], batch_size=2
[np.float32(i) for i in range(5)], batch_size=2
[(1.5, "a"), (2.5, "b"), (3.5, "c")], batch_size=2
[torch.ones(2, 3, dtype=torch.bfloat16) * i for i in range(5)], batch_size=2
[torch.ones(0, 3), torch.ones(0, 3)], batch_size=2
[True, False, True], batch_size=2
_t, batch_size=4, collate_fn=len
_Numbers(), batch_size=4, collate_fn=lambda b: b, pin_memory=True
_Numbers(), batch_size=2, sampler=_Counting()
""".strip().splitlines()

BAD_LOADERS = """
_Numbers(), batch_size=0
_Numbers(), batch_size=2.5
_Numbers(), batch_size=2, shuffle=True, sampler=D.SequentialSampler(_t)
_Numbers(), batch_size=2, drop_last=1
_Numbers(0), batch_size=2, shuffle=True
_Numbers(), batch_size=None, drop_last=True
_Numbers(), batch_sampler=[[1]], drop_last=True
_Stream(), shuffle=True
_Stream(), sampler=[1]
_Stream(), batch_sampler=[[1]]
3, batch_size=2
[None, None], batch_size=2
[torch.ones(2), torch.ones(3)], batch_size=2
[(1, 2), (1,)], batch_size=2
[{"a": 1}, {"b": 1}], batch_size=2
[object()], batch_size=1
[{1, 2}], batch_size=1
_t, batch_sampler=[[0, 11]]
_t, batch_sampler=[[0, 1.5]]
_t, batch_sampler=[3]
_Numbers(), batch_size=2, collate_fn=3
[1, 2], sampler=[0, 5]
""".strip().splitlines()

WORKERS = {
    "alone": "num_workers=0",
    "two": "num_workers=2",
    "three": "num_workers=3, prefetch_factor=1",
    "persistent": "num_workers=2, persistent_workers=True, prefetch_factor=4",
}
# All without workers, many with two, some in every way.
RUNS = [(loader, "alone") for loader in LOADERS + BAD_LOADERS] + [
    (loader, workers)
    for workers, every in (("two", 2), ("three", 8), ("persistent", 8))
    for loader in LOADERS[every // 8 :: every]
]


def settled(text: str, lib: Any) -> Any:
    """What the program leaves, or raised. An exception lets go of all that its frames hold: PyTorch's
    workers are to end now, not when somebody collects garbage."""
    result = run(program(text), lib)
    if isinstance(result, Exception):
        traceback.clear_frames(result.__traceback__)
        result.__traceback__ = None
    gc.collect()
    return result


def hold(text: str) -> None:
    theirs = settled(text, REFERENCE)
    if isinstance(theirs, (NameError, SyntaxError, ImportError)):
        raise AssertionError("the program itself is wrong") from theirs
    same_outcome(settled(text, CANDIDATE), theirs)


@pytest.mark.parametrize(("loader", "workers"), RUNS)
def test_loader(loader: str, workers: str) -> None:
    """Two passes and a broken-off third, so that each starts where the one before left the generators."""
    hold(f"""
_l = D.DataLoader({loader}, {WORKERS[workers]})
x = [list(_l), list(_l)]
for y in _l: break
try: n = len(_l)
except TypeError: n = "none"
counted = _Counting.count
after = torch.rand(2), torch.rand(2, generator=_g)
del _l
""")


def outcome(text: str, lib: Any) -> Any:
    """What happens, with the lines of a worker's traceback, process numbers and the library's name left out."""
    result = settled(text, lib)
    if not isinstance(result, Exception):
        return result
    message = str(result)
    if "Original Traceback" in message:
        lines = message.rstrip().splitlines()
        start = max(i for i, line in enumerate(lines) if line.startswith(("    ", "  File")))
        message = "\n".join([*lines[:2], *lines[start + 1 :]])
    message = re.sub(r"\(pid\(s\) [\d, ]+\)", "(pid)", message)
    message = re.sub(r"0x[0-9a-f]+", "0x", message).replace("rustnn", "torch")
    return type(result).__name__, message


COMPLAINTS = """
D.DataLoader(_Numbers(), num_workers=-1)
D.DataLoader(_Numbers(), timeout=-1)
D.DataLoader(_Numbers(), prefetch_factor=2)
D.DataLoader(_Numbers(), num_workers=1, prefetch_factor=-2)
D.DataLoader(_Numbers(), persistent_workers=True)
D.DataLoader(_Numbers(), multiprocessing_context="fork")
D.DataLoader(_Numbers(), num_workers=1, multiprocessing_context="warp")
D.DataLoader(_Numbers(), num_workers=1, multiprocessing_context=3)
D.DataLoader(_Numbers(), num_workers="1")
D.DataLoader(_Numbers(), batch_size=0)
D.DataLoader(_Numbers(), batch_size="a")
D.DataLoader(_Numbers(), batch_size=2, batch_sampler=[[1]])
D.DataLoader(_Numbers(), shuffle=True, sampler=[1])
D.DataLoader(_Numbers(), batch_size=None, drop_last=True)
D.DataLoader(_Stream(), shuffle=True)
D.DataLoader(_Stream(), sampler=[1])
D.DataLoader(_Stream(), batch_sampler=[1])
len(D.DataLoader(_Stream()))
list(D.DataLoader(_Numbers(), timeout=1))
list(D.DataLoader(_Numbers(), num_workers=1, prefetch_factor=0))
D.DataLoader(_Numbers()).batch_size = 3
D.DataLoader(_Numbers()).dataset = 3
D.DataLoader(_Numbers()).multiprocessing_context = "spawn"
list(D.DataLoader([torch.ones(2), torch.ones(3)], batch_size=2))
list(D.DataLoader([torch.ones(2), torch.ones(3)], batch_size=2, num_workers=1))
list(D.DataLoader([(1, 2), (1,)], batch_size=2, num_workers=2))
list(D.DataLoader([None], num_workers=1))
list(D.DataLoader([{"a": 1}, {"b": 1}], batch_size=2, num_workers=1))
list(D.DataLoader([1], sampler=[0, 5], num_workers=1))
list(D.DataLoader(_t, batch_sampler=[[0, 11]], num_workers=1))
list(D.DataLoader(_t, batch_sampler=[[0, 11]]))
D.RandomSampler([])
D.RandomSampler([1], replacement=1)
D.RandomSampler([1], num_samples=-1)
D.RandomSampler([1], num_samples=1.5)
D.BatchSampler([1], True, False)
D.BatchSampler([1], 1, 0)
D.WeightedRandomSampler([1, 2], True)
D.WeightedRandomSampler([[1, 2]], 1)
D.WeightedRandomSampler([1, 2], 2, 3)
list(D.WeightedRandomSampler([1, 2], 3, False))
D.DistributedSampler([1, 2, 3])
D.DistributedSampler([1, 2, 3], num_replicas=2)
D.DistributedSampler([1, 2, 3], 2, 5)
D.DistributedSampler([1, 2, 3], 2, -1)
D.ConcatDataset([])
D.ConcatDataset([_Stream()])
D.ConcatDataset([[1]])[1]
D.ConcatDataset([[1]])[-2]
list(D.ChainDataset([[1]]))
len(D.ChainDataset([[1]]))
D.IterableDataset()
D.Dataset()[0]
D.StackDataset()
D.StackDataset([1], [2, 3])
D.StackDataset([1], a=[2])
D.random_split(range(10), [0.5, 0.6])
D.random_split(range(10), [-0.5, 1.5])
D.random_split(range(10), [5, 6])
D.TensorDataset(torch.ones(2), torch.ones(3))
D.TensorDataset(torch.tensor(1))
len(D.TensorDataset())
D.Subset([1, 2], [0])[1]
D.Subset([1, 2], [5])[0]
D.default_collate([np.array(["a"])])
D.default_collate([])
D.default_collate([1, "a"])
D.default_collate([torch.ones(2), 1])
D.default_collate([1 + 2j])
""".strip().splitlines()

# Other words for the same complaint, by the engine below.
WORDS = ("'1'", '[1, "a"]', "torch.ones(2), 1", 'num_workers="1"', "IterableDataset()")


@pytest.mark.parametrize("call", COMPLAINTS)
def test_complaints(call: str) -> None:
    ours, theirs = (outcome(call, lib) for lib in (CANDIDATE, REFERENCE))
    if not isinstance(theirs, tuple):
        raise AssertionError("PyTorch does not complain")
    if any(word in call for word in WORDS):
        ours, theirs = ours[:1], theirs[:1]
    assert ours == theirs


WORKERS_COMPLAINTS = {
    "KeyError": "raise KeyError('name')",
    "two arguments": "raise UnicodeDecodeError('utf8', b'1', 0, 1, 'odd')",
    "exit": "import os; os._exit(3)",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "late": "import time; time.sleep(1.5)",
    "OSError": "open('/no/such/file')",
}


@pytest.mark.parametrize("name", WORKERS_COMPLAINTS)
def test_workers_that_fail(name: str) -> None:
    text = f"""
class _Faulty(_Numbers):
    def __getitem__(self, i):
        if i == 3:
            {WORKERS_COMPLAINTS[name]}
        return i
x = list(D.DataLoader(_Faulty(), batch_size=2, num_workers=2, timeout=0.5))
"""
    ours, theirs = (outcome(text, lib) for lib in (CANDIDATE, REFERENCE))
    if isinstance(theirs, tuple):
        assert ours == theirs
    else:
        compare(ours, theirs)


VALUES = """
x = [(list(s), len(s)) for s in [D.DistributedSampler(range(11), 4, r) for r in range(4)]]
x = [list(D.DistributedSampler(range(11), 4, r, shuffle=False)) for r in range(4)]
x = [list(D.DistributedSampler(range(11), 4, r, drop_last=True)) for r in range(4)]
x = [list(D.DistributedSampler(range(12), 4, r, seed=5)) for r in range(4)]
x = [list(D.DistributedSampler(range(2), 5, r, shuffle=False)) for r in range(5)]
x = [list(D.DistributedSampler(range(13), 4, r, drop_last=True, shuffle=False)) for r in range(4)]
_s = D.DistributedSampler(range(11), 4, 1); _s.set_epoch(3); x = list(_s), _s.num_samples, _s.total_size
x = list(D.distributed.DistributedSampler(range(4), 2, 0))
x = [list(s) for s in D.random_split(range(10), [7, 3])], torch.rand(1)
x = [list(s.indices) for s in D.random_split(range(10), [0.3, 0.3, 0.4])]
x = [list(s.indices) for s in D.random_split(range(10), [0.25] * 4, _g)], torch.rand(1)
x = [len(s) for s in D.random_split(range(10), [0.01, 0.99])]
x = list(D.RandomSampler(range(6))), torch.rand(1)
x = list(D.RandomSampler(range(6), True, 100)), torch.rand(1)
x = list(D.RandomSampler(range(6), num_samples=20, generator=_g)), torch.rand(1, generator=_g)
x = list(D.BatchSampler(range(7), 3, False)), list(D.BatchSampler(range(7), 3, True))
x = len(D.BatchSampler(range(7), 3, False)), len(D.BatchSampler(range(7), 3, True))
x = list(D.WeightedRandomSampler([0.1, 0.9, 3.0], 12)), torch.rand(1)
x = list(D.SubsetRandomSampler([4, 5, 6, 7])), torch.rand(1)
_c = D.ConcatDataset([[1, 2], [3], [4, 5, 6]]); x = list(_c), _c[-1], _c[2], len(_c), _c.cumulative_sizes
x = D.ConcatDataset([[1], [2, 3]]).cummulative_sizes
x = list(_Numbers(3) + _Numbers(2)), list(_Stream(2) + _Stream(3)), len(_Stream(2, 2) + _Stream(3, 3))
x = D.StackDataset([1, 4], [2, 3])[1], len(D.StackDataset([1, 4], [2, 3]))
x = D.StackDataset(a=[1, 4], b=[2, 3])[0], D.StackDataset(a=[1, 4], b=[2, 3]).__getitems__([1, 0])
x = D.StackDataset([1, 4], [2, 3]).__getitems__([1, 0])
x = D.Subset(_t, [3, 4])[[0, 1]], D.Subset([5, 6, 7], [2, 1]).__getitems__([1, 0])
x = _t[3], _t[2:4], _t[[1, 2]], len(_t)
x = D.get_worker_info()
x = D.default_collate([np.ones(2), np.zeros(2)]), D.default_collate([np.float32(1), np.float32(2)])
x = D.default_collate([np.array(3)] * 2), D.default_collate([1, 2.5]), D.default_collate([1.5, 2])
x = D.default_collate([range(3)] * 2), D.default_collate([b"a"] * 2), D.default_collate([bytearray(b"ab")] * 2)
x = D.default_collate([collections.OrderedDict(a=1)] * 2), type(D.default_collate([collections.deque([1])])).__name__
x = type(D.default_collate([collections.defaultdict(int, a=1)] * 2)).__name__
_P = collections.namedtuple("_P", "a b"); x = tuple(D.default_collate([_P(1, 2.0), _P(3, 4.0)]))
x = [D.default_convert(v) for v in (np.float32(1), (1, np.ones(1)), {"a": np.ones(1)}, "s", 3, range(3), np.bool_(1))]
x = D.default_collate([(torch.ones(2), {"a": [1, "t"]}), (torch.zeros(2), {"a": [2, "u"]})])
x = [i in (None, 2) for i in [D.DataLoader(_t).prefetch_factor, D.DataLoader(_t, num_workers=1).prefetch_factor]]
_l = D.DataLoader(_t, 4); x = _l.batch_size, _l.drop_last, _l.num_workers, type(_l.sampler).__name__, type(_l.batch_sampler).__name__
_l = D.DataLoader(_Stream(), 4); x = type(_l.sampler).__name__, type(_l.batch_sampler).__name__, _l.collate_fn.__name__
x = D.DataLoader(_t, None).batch_sampler, D.DataLoader(_t, None).collate_fn.__name__
x = len(iter(D.DataLoader(_t, 4, num_workers=1))), len(iter(D.DataLoader(_t, 4)))
_l = D.DataLoader(_t, num_workers=1, multiprocessing_context="spawn"); x = type(_l.multiprocessing_context).__name__
_i = iter(D.DataLoader(_t, 4, num_workers=2)); x = len(list(_i)), list(_i)
x = D._DatasetKind.Map, D._DatasetKind.Iterable
""".strip().splitlines()


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    hold(text)


WARNINGS = """
D.DataLoader([1, 2], num_workers=999)
list(D.DataLoader([1, 2], pin_memory=True))
list(D.DataLoader([1, 2], pin_memory=True, pin_memory_device="cuda"))
list(D.DataLoader([1, 2], pin_memory=True, num_workers=1))
_l = D.DataLoader(_Stream(5, 3)); len(_l); list(_l)
_l = D.DataLoader(_Stream(5, 3), 2, num_workers=2); len(_l); list(_l)
D.random_split(range(2), [0.1, 0.1, 0.8])
D.ConcatDataset([[1]]).cummulative_sizes
""".strip().splitlines()


@pytest.mark.parametrize("text", WARNINGS)
def test_warnings(text: str) -> None:
    text = f"""
with warnings.catch_warnings(record=True) as _w:
    warnings.simplefilter("always")
    {text}
x = [(w.category.__name__, str(w.message)) for w in _w]
"""
    found = []
    for lib in (CANDIDATE, REFERENCE):
        result = outcome(text, lib)
        if isinstance(result, tuple):
            raise Different(str(result))
        found.append([(kind, re.sub(r"0x[0-9a-f]+", "", message)) for kind, message in result["x"]])
    assert found[0] == found[1]
    assert found[1]


COLLATE = """
class _Own(list): pass
_map = {_Own: lambda batch, *, collate_fn_map=None: "own", **default_collate_fn_map}
x = [collate(b, collate_fn_map=_map) for b in ([_Own()], [(_Own(), 1), (_Own(), 2)], [np.ones(1), np.ones(1)])]
y = collate([1, 2], collate_fn_map={int: lambda batch, *, collate_fn_map=None: sum(batch)})
z = collate([True], collate_fn_map={(int, float): lambda batch, *, collate_fn_map=None: len(batch)})
del collate, default_collate_fn_map
"""


def test_functions_of_ones_own_for_types() -> None:
    results = []
    for lib, place in (
        (CANDIDATE, "rustnn.utils.data.collate"),
        (REFERENCE, "torch.utils.data._utils.collate"),
    ):
        result = settled(f"from {place} import collate, default_collate_fn_map\n{COLLATE}", lib)
        if isinstance(result, Exception):
            raise result
        results.append(result)
    compare(*results)
