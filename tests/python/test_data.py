"""Data sets, samplers, batches, and that a seed fixes their order."""

from __future__ import annotations

from collections import namedtuple

import pytest

import rustnn
from rustnn.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


def numbers(n=10):
    return TensorDataset(rustnn.arange(float(n)), rustnn.arange(2 * n).view(n, 2))


class Slow(Dataset):
    """The same samples one by one, by a class of the user's."""

    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.inner[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


def listed(loader):
    return [[part.tolist() for part in batch] for batch in loader]


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 3},
        {"batch_size": 3, "drop_last": True},
        {"batch_size": 4, "shuffle": True},
        {"batch_sampler": [[1, 2], [-1]]},
        {"sampler": [3, 1, 2], "batch_size": 2},
    ],
)
@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, list(range(9, -1, -1)))])
def test_a_gathered_batch_is_what_collating_gives(options, wrap):
    rustnn.manual_seed(1)
    fast = list(DataLoader(wrap(numbers()), **options))
    rustnn.manual_seed(1)
    slow = list(DataLoader(Slow(wrap(numbers())), **options))
    assert type(fast[0]) is type(slow[0]) is list
    assert len(fast) == len(slow)
    for one, other in zip(fast, slow, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.tolist() == b.tolist()
            assert a.dtype == b.dtype
            assert a.stride() == b.stride()


def test_the_last_batch_is_short_or_left_out():
    assert [batch[0].tolist() for batch in DataLoader(numbers(5), 2)] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(numbers(5), 2, drop_last=True)
    assert [batch[0].tolist() for batch in loader] == [[0, 1], [2, 3]]
    assert len(loader) == 2
    assert len(DataLoader(numbers(5), 2)) == 3


def test_a_seed_fixes_the_order_and_every_pass_has_its_own():
    def run():
        rustnn.manual_seed(0)
        loader = DataLoader(numbers(), 4, shuffle=True)
        return listed(loader), listed(loader)

    (first, second), again = run(), run()
    assert (first, second) == again
    assert first != second
    assert sorted(value for batch in first for value in batch[0]) == list(range(10))


def test_orders_known_from_pytorch():
    rustnn.manual_seed(0)
    assert [batch[0].tolist() for batch in DataLoader(numbers(), 5, shuffle=True)] == PYTORCH_SHUFFLE
    generator = rustnn.Generator()
    generator.manual_seed(0)
    assert [list(part.indices) for part in random_split(numbers(), [3, 7], generator)] == [
        [4, 1, 7],
        [5, 3, 9, 0, 8, 6, 2],
    ]


PYTORCH_SHUFFLE = [[6.0, 7.0, 1.0, 4.0, 2.0], [0.0, 9.0, 8.0, 3.0, 5.0]]


def test_samplers():
    rustnn.manual_seed(0)
    assert sorted(RandomSampler(range(6))) == list(range(6))
    assert len(list(RandomSampler(range(6), num_samples=15))) == 15
    assert set(RandomSampler(range(3), replacement=True, num_samples=70)) == {0, 1, 2}
    assert sorted(SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert set(WeightedRandomSampler([0.0, 1.0, 0.0], 5)) == {1}
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert len(BatchSampler(range(5), 2, True)) == 2


def test_other_kinds_of_data_sets():
    both = ConcatDataset([numbers(3), numbers(4)])
    assert len(both) == 7
    assert both[-1][0].item() == 3.0
    assert both[3][0].item() == 0.0
    assert [batch.tolist() for batch in DataLoader(Stream(), 2)] == [[0, 1], [2, 3], [4]]
    assert list(DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    assert [len(part) for part in random_split(numbers(), [0.3, 0.3, 0.4])] == [3, 3, 4]

    class Whole(Slow):
        def __getitems__(self, indices):
            return [("all", len(indices))]

    (batch,) = DataLoader(Whole(numbers()), 10)
    assert batch[0] == ["all"] or batch[0] == ("all",)
    assert list(DataLoader([1, 2, 3], 2, collate_fn=sum)) == [3, 3]


def test_collating():
    Pair = namedtuple("Pair", "a b")
    assert default_collate([1, 2]).dtype == rustnn.int64
    assert default_collate([1.0, 2.0]).dtype == rustnn.float64
    assert default_collate(["a", "b"]) == ["a", "b"]
    batch = default_collate([Pair(1, "x"), Pair(2, "y")])
    assert (batch.a.tolist(), list(batch.b)) == ([1, 2], ["x", "y"])
    nested = default_collate([{"p": (1, [2.0])}, {"p": (3, [4.0])}])
    assert nested["p"][0].tolist() == [1, 3]
    assert nested["p"][1][0].tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="found <class 'NoneType'>"):
        default_collate([None])


def test_collating_numpy():
    np = pytest.importorskip("numpy")
    assert default_collate([np.ones(2), np.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert default_collate([np.float32(1), np.float32(2)]).dtype == rustnn.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"timeout": -1}, "timeout option should be non-negative"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(numbers(), **options)


def test_a_loader_is_not_changed_afterwards():
    loader = DataLoader(numbers())
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(numbers(), [3, 4])
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(rustnn.zeros(2), rustnn.zeros(3))


def test_a_gather_is_not_taken_where_it_could_differ():
    data = numbers()
    for indices in ([0, 10], [0, -11], [0, 1.5]):
        with pytest.raises((IndexError, TypeError)):
            list(DataLoader(data, batch_sampler=[indices]))
    leaf = TensorDataset(rustnn.arange(4.0).requires_grad_())
    (batch,) = DataLoader(leaf, 4)
    batch[0].sum().backward()
    assert leaf.tensors[0].grad.tolist() == [1, 1, 1, 1]


def test_stacked_chained_and_distributed():
    pair = StackDataset(a=numbers(3), b=[5, 6, 7])
    assert pair[1]["b"] == 6
    assert [sample["b"] for sample in pair.__getitems__([2, 0])] == [7, 5]
    (batch,) = DataLoader(pair, 3)
    assert batch["b"].tolist() == [5, 6, 7]
    assert list(ChainDataset([Stream(), Stream()])) == [0, 1, 2, 3, 4] * 2
    parts = [list(DistributedSampler(range(10), 3, rank)) for rank in range(3)]
    assert {len(part) for part in parts} == {4}
    assert set().union(*parts) == set(range(10))
    with pytest.raises(ValueError, match="process group"):
        DistributedSampler(range(10))
    with pytest.raises(ValueError, match="output size mismatch"):
        StackDataset(Short(), Short()).__getitems__([0, 1])


class Short(Dataset):
    def __len__(self):
        return 3

    def __getitems__(self, indices):
        return [1]


def test_lengths_that_are_not_true():
    class Liar(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return [1, 2, 3][index]

    with pytest.raises(IndexError):
        list(DataLoader(Liar(), 2))

    class Told(Stream):
        def __len__(self):
            return 3

    loader = DataLoader(Told(), 1)
    assert len(loader) == 3
    with pytest.warns(UserWarning, match="was reported to be 3"):
        assert len(list(loader)) == 5


def test_names_of_data_pipes():
    if rustnn.__name__ == "rustnn":
        with pytest.raises(NotImplementedError, match="IterableDataset"):
            rustnn.utils.data.IterDataPipe
    with pytest.raises(AttributeError):
        rustnn.utils.data.NoSuchThing
