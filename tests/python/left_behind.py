"""What a loop over a loader must not leave behind, and a data set for such loops."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

import rustnn
from rustnn.utils.data import DataLoader, Dataset

METHODS = ["fork", "spawn", "forkserver"]
ours_alone = pytest.mark.skipif(rustnn.__name__ != "rustnn", reason="promised by rustnn alone")
workers_are_counted = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts processes and files in /proc"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


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


def mapped_by_others():
    """The inodes that processes other than this one map: tests that run beside this one share memory too."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                lines = (entry / "maps").read_text(errors="replace").splitlines()
            except OSError:
                continue
            # A semaphore is mapped by another name than it has afterwards, so names do not tell.
            found.update(int(line.split()[4]) for line in lines if "/dev/shm/" in line)
    return found


def left_in_shared_memory(before):
    """The names that are new and that nobody else uses."""
    new, others = {}, mapped_by_others()
    for name in shared_files() - before:
        try:
            new[name] = os.stat(f"/dev/shm/{name}").st_ino
        except OSError:
            continue
    return {name for name, inode in new.items() if inode not in others}


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
    before, known = (len(open_files()), shared_files()), set(children())
    yield
    gc.collect()
    assert wait_until(lambda: known.issuperset(children()), 3), "processes are left"
    assert wait_until(lambda: not left_in_shared_memory(before[1]), 3), left_in_shared_memory(before[1])
    assert wait_until(lambda: len(open_files()) <= before[0], 3), (before[0], open_files())


@pytest.fixture(scope="module")
def helpers_of_multiprocessing():
    """They stay once they are started, so they are started before anything is counted."""
    for method in METHODS:
        list(DataLoader([1, 2], num_workers=1, multiprocessing_context=method))
