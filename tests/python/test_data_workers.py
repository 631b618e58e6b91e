"""Worker processes: their exceptions, and that nothing is left behind however a loop or a process ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from left_behind import (  # noqa: F401
    METHODS,
    Rows,
    alive,
    children,
    helpers_of_multiprocessing,
    nothing_left,
    open_files,
    ours_alone,
    shared_files,
    wait_until,
    workers_are_counted,
)

import rustnn
from rustnn.utils.data import DataLoader, IterableDataset, TensorDataset, get_worker_info

pytestmark = [*workers_are_counted, pytest.mark.usefixtures("helpers_of_multiprocessing", "nothing_left")]


class Pids(Rows):
    def __getitem__(self, i):
        time.sleep(self.seconds)
        return os.getpid()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("persistent", [False, True])
def test_batches_are_those_of_one_process(method, persistent):
    alone = list(DataLoader(Rows(21), batch_size=4))
    loader = DataLoader(
        Rows(21), batch_size=4, num_workers=2, multiprocessing_context=method, persistent_workers=persistent
    )
    for _ in range(2):
        batches = list(loader)
        assert [b["number"].tolist() for b in batches] == [b["number"].tolist() for b in alone]
        assert [b["row"].tolist() for b in batches] == [b["row"].tolist() for b in alone]
        assert [b["text"] for b in batches] == [b["text"] for b in alone]


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
def test_an_exception_arrives_with_its_traceback(method, error, kind):
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
def test_an_exception_of_a_local_class_arrives_as_its_nearest_base():
    class Local(LookupError):
        pass

    with pytest.raises(LookupError, match="Caught Local in DataLoader worker process 0"):
        list(DataLoader(Faulty(Local("x")), num_workers=1))
    with pytest.raises(AttributeError, match=r"Can't (pickle|get) local object"):
        list(DataLoader([lambda: 1], batch_size=None, num_workers=1))


@ours_alone
@pytest.mark.parametrize("workers", [0, 2])
def test_the_sample_at_fault_is_named(workers):
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
def test_a_loop_goes_on_after_an_exception(persistent):
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
def test_a_loop_that_is_left(method, way):
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


def test_persistent_workers_are_the_same_processes():
    loader = DataLoader(Pids(8), batch_size=2, num_workers=2, persistent_workers=True)
    first, second = ({pid for batch in loader for pid in batch.tolist()} for _ in range(2))
    assert first == second
    assert len(first) == 2
    for _ in loader:  # left early: the next pass starts from the beginning all the same
        break
    assert len(list(loader)) == 4
    del loader


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGUSR1, signal.SIGTERM, "exit"])
def test_a_worker_that_dies_is_named(how):
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
def test_workers_that_are_killed_leave_nothing_behind():
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


def test_a_batch_that_takes_too_long():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        next(iter(DataLoader(Rows(4, seconds=1.0), batch_size=1, num_workers=1, timeout=0.2)))
    assert time.monotonic() - start < 5
    assert len(list(DataLoader(Rows(4), batch_size=1, num_workers=1, timeout=20))) == 4


def test_a_worker_that_does_not_listen_is_ended(monkeypatch):
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
    try:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        assert len(set(workers)) == 2
        time.sleep(0.05)
        start = time.monotonic()
        if how is signal.SIGINT:  # as a terminal does: to all of them
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
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
def test_workers_of_one_loader_do_not_hold_those_of_another():
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
def test_workers_may_be_forked_while_threads_compute(work):
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


def test_a_worker_computes_with_one_thread():
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
def test_every_worker_has_its_own_iterator(persistent):
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


def test_a_loop_that_takes_batches_as_they_come():
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


def test_a_worker_that_cannot_start():
    def fail(number):
        raise ValueError(f"worker {number}")

    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 0"):
        list(DataLoader(Rows(), num_workers=2, worker_init_fn=fail))
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(DataLoader([lambda: 1], num_workers=2, multiprocessing_context="spawn"))


def test_loaders_within_threads():
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
