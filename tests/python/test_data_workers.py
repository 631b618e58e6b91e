"""Worker processes: what they hand over, and that nothing is left behind however a loop or a process ends."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import rustnn
from rustnn.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts processes and files in /proc"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
ours_alone = pytest.mark.skipif(rustnn.__name__ != "rustnn", reason="promised by rustnn alone")
METHODS = ["fork", "spawn", "forkserver"]


class Rows(Dataset):
    """Sample i is a row of i's; after ``seconds``, and with something else of each kind beside it."""

    def __init__(self, n=64, width=8, seconds=0.0):
        self.n, self.width, self.seconds = n, width, seconds

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if self.seconds:
            time.sleep(self.seconds)
        return {"row": rustnn.full((self.width,), float(i)), "number": i, "text": str(i)}


class Pids(Rows):
    def __getitem__(self, i):
        time.sleep(self.seconds)
        return os.getpid()


def children():
    """The processes that this one has started and that still are there, but for helpers of multiprocessing."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"resource_tracker" not in line and b"forkserver" not in line:
            found.append(int(entry.name))
    return found


def open_files():
    gc.collect()
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return [name for name in names if "socket" in name or "memfd" in name or "shm" in name or "pipe" in name]


def shared_files():
    """Named shared memory, and named semaphores, which live there too."""
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def nothing_left():
    """Processes, files and shared memory after the test are those before it."""
    before = len(open_files()), shared_files()
    yield
    gc.collect()
    assert wait_until(lambda: not children(), 3), "processes are left"
    assert shared_files() <= before[1]
    assert wait_until(lambda: len(open_files()) <= before[0], 3), (before[0], open_files())


@pytest.fixture(scope="module", autouse=True)
def helpers_of_multiprocessing():
    """They stay once they are started, so they are started before anything is counted."""
    for method in METHODS:
        list(DataLoader([1, 2], num_workers=1, multiprocessing_context=method))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("persistent", [False, True])
def test_batches_are_those_of_one_process(method, persistent, nothing_left):
    alone = list(DataLoader(Rows(21), batch_size=4))
    loader = DataLoader(
        Rows(21), batch_size=4, num_workers=2, multiprocessing_context=method, persistent_workers=persistent
    )
    for _ in range(2):
        batches = list(loader)
        assert [b["number"].tolist() for b in batches] == [b["number"].tolist() for b in alone]
        assert [b["row"].tolist() for b in batches] == [b["row"].tolist() for b in alone]
        assert [b["text"] for b in batches] == [b["text"] for b in alone]


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
def test_what_travels(name, nothing_left):
    for sample in DataLoader(Odd(name), batch_size=None, num_workers=1):
        same(sample, ODD[name]())
        if name == "views":
            sample[0][1, 0] = 70
            assert sample[1][0, 0] == 70
            assert sample[2][0, 1] == 70


@ours_alone
def test_numpy_arrays_travel_too(nothing_left):
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
def test_memory_is_used_again_when_nobody_looks_at_it(nothing_left):
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
def test_batches_that_are_kept_do_not_use_up_files(nothing_left):
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


def test_tasks_and_batches_that_fill_the_sockets(nothing_left):
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


def test_what_a_worker_keeps_stays_as_it_was(nothing_left):
    for i, (batch, kept) in enumerate(DataLoader(Keeper(), 1, num_workers=1, collate_fn=keeping)):
        assert batch[0, 0] == i
        assert kept == [float(k) for k in range(i + 1)]


@ours_alone
@pytest.mark.parametrize("persistent", [False, True])
def test_memory_does_not_grow_with_epochs(persistent, nothing_left):
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


class Faulty(Rows):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def __getitem__(self, i):
        if i == 13:
            raise self.error
        return i


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such file"), ValueError),
        (KeyError("name"), KeyError),
        (TwoArguments(1, 2), RuntimeError),
        (UnicodeDecodeError("utf8", b"1", 0, 1, "odd"), RuntimeError),
    ],
)
def test_an_exception_arrives_with_its_traceback(method, error, kind, nothing_left):
    loader = DataLoader(Faulty(error), batch_size=4, num_workers=2, multiprocessing_context=method)
    with pytest.raises(kind) as caught:
        list(loader)
    text = str(caught.value)
    assert text.startswith(
        f"Caught {type(error).__name__} in DataLoader worker process 1.\nOriginal Traceback"
    )
    assert "in __getitem__" in text
    assert text.rstrip().splitlines()[-1].startswith(f"{type(error).__name__}: ") or "." in text
    if rustnn.__name__ == "rustnn":
        assert caught.value.__notes__ == ["sample 13 of the data set"]
    del caught


@ours_alone
def test_an_exception_of_a_local_class_arrives_as_its_nearest_base(nothing_left):
    class Local(LookupError):
        pass

    with pytest.raises(LookupError, match="Caught Local in DataLoader worker process 0"):
        list(DataLoader(Faulty(Local("x")), num_workers=1))
    with pytest.raises(AttributeError, match=r"Can't (pickle|get) local object"):
        list(DataLoader([lambda: 1], batch_size=None, num_workers=1))


@ours_alone
@pytest.mark.parametrize("workers", [0, 2])
def test_the_sample_at_fault_is_named(workers, nothing_left):
    samples = [rustnn.zeros(3)] * 8
    samples[6] = rustnn.zeros(4)
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size") as caught:
        list(DataLoader(samples, batch_size=4, num_workers=workers))
    assert caught.value.__notes__ == ["sample 6 of the data set does not go with 4"]
    data = TensorDataset(rustnn.zeros(5))
    with pytest.raises(IndexError, match="index 7 is out of bounds for dimension 0 with size 5") as error:
        list(DataLoader(data, batch_sampler=[[1, 7]], num_workers=workers))
    assert error.value.__notes__ == ["sample 7 of the data set"]
    del caught, error


@pytest.mark.parametrize("persistent", [False, True])
def test_a_loop_goes_on_after_an_exception(persistent, nothing_left):
    batches = iter(DataLoader(Faulty(ValueError("x")), 4, num_workers=2, persistent_workers=persistent))
    seen = []
    while True:
        try:
            seen.append(next(batches)[0].item())
        except ValueError:
            seen.append("x")
        except StopIteration:
            break
    assert seen == [0, 4, 8, "x", *range(16, 64, 4)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["break", "raise", "unused", "unstarted"])
def test_a_loop_that_is_left(method, way, nothing_left):
    loader = DataLoader(Rows(seconds=0.001), batch_size=2, num_workers=2, multiprocessing_context=method)
    if way == "break":
        for _ in loader:
            break
    elif way == "raise":
        with pytest.raises(ZeroDivisionError):
            for _ in loader:
                1 / 0
    elif way == "unused":
        iter(loader)
    else:
        next(iter(loader))


def test_persistent_workers_are_the_same_processes(nothing_left):
    loader = DataLoader(Pids(8), batch_size=2, num_workers=2, persistent_workers=True)
    first, second = ({pid for batch in loader for pid in batch.tolist()} for _ in range(2))
    assert first == second
    assert len(first) == 2
    for _ in loader:  # left early: the next pass starts from the beginning all the same
        break
    assert len(list(loader)) == 4
    del loader


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGUSR1, signal.SIGTERM, "exit"])
def test_a_worker_that_dies_is_named(how, nothing_left):
    loader = DataLoader(Pids(200, seconds=0.002), batch_size=2, num_workers=2)
    batches = iter(loader)
    pid = int(next(batches)[0])
    start = time.monotonic()
    if how == "exit":
        loader = DataLoader(Suicidal(), num_workers=2)
        with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) [\d, ]+\) exited") as caught:
            list(loader)
        assert "exit code 3" in str(caught.value.__cause__)
    else:
        os.kill(pid, how)
        with pytest.raises(RuntimeError, match=rf"worker \(pid\(s\) {pid}\) exited unexpectedly") as caught:
            list(batches)
        assert f"(pid {pid}) is killed by signal: {signal.strsignal(how)}" in str(caught.value.__cause__)
    assert time.monotonic() - start < 5
    del batches, caught


class Suicidal(Rows):
    def __getitem__(self, i):
        os._exit(3)


@ours_alone
def test_workers_that_are_killed_leave_nothing_behind(nothing_left):
    """A hundred times, at any moment of a worker's life."""
    dice = random.Random(0)
    killed = noticed = 0
    files = len(open_files())
    end = time.monotonic() + 45
    while killed < 100 and time.monotonic() < end:
        width = dice.choice([1, 100, 30000])
        loader = DataLoader(
            Rows(2000, width, seconds=0.0005),
            batch_size=dice.choice([1, 4]),
            num_workers=2,
            prefetch_factor=dice.choice([1, 2, 8]),
            persistent_workers=dice.random() < 0.3,
        )
        batches = iter(loader)
        victims = dice.sample(children(), dice.choice([1, 1, 2]))
        for _ in range(dice.choice([0, 0, 1, 5])):
            next(batches)
        time.sleep(dice.random() * 0.01)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        start = time.monotonic()
        try:
            sum(1 for _ in batches)
        except RuntimeError as error:
            assert "exited unexpectedly" in str(error)
            assert any(str(pid) in str(error) for pid in victims)
            noticed += 1
        assert time.monotonic() - start < 5, "it took long to notice"
        assert not children()
        del batches, loader
    assert killed >= 100
    assert noticed > 40
    assert len(open_files()) <= files


def test_a_batch_that_takes_too_long(nothing_left):
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        next(iter(DataLoader(Rows(4, seconds=1.0), batch_size=1, num_workers=1, timeout=0.2)))
    assert time.monotonic() - start < 5
    assert len(list(DataLoader(Rows(4), batch_size=1, num_workers=1, timeout=20))) == 4


def test_a_worker_that_does_not_listen_is_ended(monkeypatch, nothing_left):
    if rustnn.__name__ == "rustnn":
        from rustnn.utils.data import worker_iterator

        monkeypatch.setattr(worker_iterator, "_PATIENCE", 0.2)
    start = time.monotonic()
    for _ in DataLoader(Stuck(), batch_size=None, num_workers=1):
        break
    assert time.monotonic() - start < 8


class Stuck(IterableDataset):
    def __iter__(self):
        yield 1
        time.sleep(100)


PROGRAM = """
import os, sys, time
import rustnn
from rustnn.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __len__(self):
        return 100000
    def __getitem__(self, i):
        time.sleep(0.001)
        return rustnn.full((1000,), float(os.getpid()), dtype=rustnn.float64)

def main():
    loader = DataLoader(Data(), batch_size=2, num_workers=2, persistent_workers={persistent},
                        multiprocessing_context={method!r})
    for i, batch in enumerate(loader):
        if i < 2:
            print(int(batch[0, 0]), flush=True)
        if {busy}:
            time.sleep(0.01)

if __name__ == "__main__":
    main()
"""


@ours_alone
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_main_process(tmp_path, method, persistent, how):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(method=method, persistent=persistent, busy=persistent))
    before = shared_files()
    process = subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(process.stdout.readline()) for _ in range(2)]
    assert len(set(workers)) == 2
    time.sleep(0.05)
    start = time.monotonic()
    if how is signal.SIGINT:  # as a terminal does: to all of them
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -how
    if how is signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1, errors
    else:
        assert not errors
    assert wait_until(lambda: not any(alive(pid) for pid in workers), 5)
    assert time.monotonic() - start < 10
    assert shared_files() <= before


@ours_alone
def test_workers_of_one_loader_do_not_hold_those_of_another(nothing_left):
    """A worker that was forked later has copies of everything open: it must not keep an older one alive."""
    first = iter(DataLoader(Pids(1000, seconds=0.001), batch_size=1, num_workers=1))
    older = int(next(first))
    second = iter(DataLoader(Pids(1000, seconds=0.001), batch_size=1, num_workers=1))
    next(second)
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    try:
        os.kill(older, signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(RuntimeError, match=f"{older}"):
            for _ in first:
                pass
        assert time.monotonic() - start < 3
        del first
        del second
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@ours_alone
@pytest.mark.parametrize(
    "work",
    [
        lambda: rustnn.rand(500000),
        lambda: [rustnn.ones(20000 + 1000 * i) for i in range(50)],
        lambda: rustnn.ones(300, 300) @ rustnn.ones(300, 300),
        lambda: rustnn.manual_seed(1),
    ],
    ids=["drawing", "allocating", "in the pool", "seeding"],
)
def test_workers_may_be_forked_while_threads_compute(work, nothing_left):
    """Whatever locks they hold at that moment: a worker finds all open."""
    done = threading.Event()

    def compute():
        while not done.is_set():
            work()

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            loader = DataLoader(Drawn(4), batch_size=2, num_workers=2, timeout=20)
            assert [batch.shape[1] for batch in loader] == [50000, 50000]
    finally:
        done.set()
        for thread in threads:
            thread.join()


class Drawn(Rows):
    def __getitem__(self, i):
        return rustnn.rand(50000)


class Threads(Rows):
    def __getitem__(self, i):
        a = rustnn.ones(400, 400)
        return rustnn.get_num_threads(), (a @ a)[0, 0].item()


def test_a_worker_computes_with_one_thread(nothing_left):
    threads = rustnn.get_num_threads()
    rustnn.set_num_threads(2)
    a = rustnn.ones(500, 500)
    _ = a @ a
    try:
        for count, value in DataLoader(Threads(4), batch_size=None, num_workers=2, timeout=20):
            assert (count, value) == (1, 400.0)
    finally:
        rustnn.set_num_threads(threads)


class Shards(IterableDataset):
    def __init__(self, lengths):
        self.lengths = lengths

    def __iter__(self):
        info = get_worker_info()
        assert info.num_workers == len(self.lengths)
        return iter(range(100 * info.id, 100 * info.id + self.lengths[info.id]))


@pytest.mark.parametrize("persistent", [False, True])
def test_every_worker_has_its_own_iterator(persistent, nothing_left):
    loader = DataLoader(Shards([3, 0, 7]), batch_size=2, num_workers=3, persistent_workers=persistent)
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == [
            [0, 1],
            [200, 201],
            [2],
            [202, 203],
            [204, 205],
            [206],
        ]


def test_a_loop_that_takes_batches_as_they_come(nothing_left):
    class Uneven(Rows):
        def __getitem__(self, i):
            time.sleep(0.2 if i == 0 else 0)
            return i

    for persistent in (False, True):
        loader = DataLoader(
            Uneven(12), batch_size=1, num_workers=2, in_order=False, persistent_workers=persistent
        )
        for _ in range(2):
            numbers = [int(batch) for batch in loader]
            assert sorted(numbers) == list(range(12))
            assert numbers[0] != 0
    del loader


def test_a_worker_that_cannot_start(nothing_left):
    def fail(number):
        raise ValueError(f"worker {number}")

    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 0"):
        list(DataLoader(Rows(), num_workers=2, worker_init_fn=fail))
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(DataLoader([lambda: 1], num_workers=2, multiprocessing_context="spawn"))


def test_loaders_within_threads(nothing_left):
    results = []

    def run():
        loader = DataLoader(Rows(40), batch_size=4, num_workers=1, timeout=20)
        results.append([batch["number"][0].item() for batch in loader])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(0, 40, 4))] * 4
