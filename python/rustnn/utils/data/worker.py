"""What a worker process does: it fetches batches until the loader's process is gone."""

from __future__ import annotations

import marshal
import os
import pickle

from rustnn import _C
from rustnn.utils.data import collate as collating
from rustnn.utils.data import worker_info
from rustnn.utils.data.fetcher import IterableFetcher, make_fetcher
from rustnn.utils.data.shared_memory import Arena
from rustnn.utils.data.worker_error import ExceptionWrapper
from rustnn.utils.data.worker_info import WorkerInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.utils.data.channel import Channel
    from rustnn.utils.data.fetcher import MapFetcher

__all__ = ["seed_everything", "worker_main"]

# Kinds of results.
DATA, ERROR, END = range(3)


def seed_everything(base_seed: int, worker: int) -> int:
    """Seed rustnn, ``random`` and NumPy as PyTorch does in a worker; returns the seed of the first two."""
    import random

    seed = base_seed + worker
    random.seed(seed)
    _C.manual_seed(seed)
    try:
        import numpy
    except ImportError:
        return seed
    words = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    numpy.random.seed(numpy.random.SeedSequence(words).generate_state(4))
    return seed


def _own_signals() -> None:
    """Ctrl-C is the main process's to handle; what else the main process does about signals is not ours."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Work:
    """The state of one worker."""

    def __init__(
        self,
        channel: Channel,
        parent: int,
        dataset: Any,
        batched: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
        where: str,
        arena: Arena,
    ) -> None:
        self._channel = channel
        self._parent = parent
        self._fetching = dataset, batched, collate_fn, drop_last
        self._where = where
        self._arena = arena
        self._fetcher: MapFetcher | IterableFetcher | None = None
        self._failed: ExceptionWrapper | None = None

    def start_pass(self, prepare: Callable[[], None] | None = None) -> None:
        """Make ready for a pass through the data set; an exception is kept for the first batch."""
        self._fetcher = None
        try:
            if prepare is not None:
                prepare()
            self._fetcher = make_fetcher(*self._fetching)
        except Exception as error:
            self._failed = ExceptionWrapper(error, self._where)

    def do(self, number: int, indices: Any) -> bytes | None:
        """The result of one task; None for one that comes after the end of the data set's iterator."""
        if self._failed is not None:
            return self._pack_error(number, self._failed)
        if self._fetcher is None:
            return None
        try:
            batch = self._fetcher.fetch(indices)
        except StopIteration as error:
            if not isinstance(self._fetcher, IterableFetcher):
                return self._pack_error(number, ExceptionWrapper(error, self._where))
            self._fetcher = None
            self._arena.give_up_batch()
            return self._pack(number, END, b"", [])
        except Exception as error:
            return self._pack_error(number, ExceptionWrapper(error, self._where))
        try:
            packed, pieces = self._arena.pack(batch)
        except Exception as error:
            return self._pack_error(number, ExceptionWrapper(error, self._where))
        del batch
        return self._pack(number, DATA, packed, pieces)

    def _pack_error(self, number: int, error: ExceptionWrapper) -> bytes:
        self._arena.give_up_batch()
        return self._pack(number, ERROR, pickle.dumps(error), [])

    def _pack(self, number: int, kind: int, packed: Any, pieces: list[Any]) -> bytes:
        used, new, dropped, self.files = self._arena.close_batch()
        return marshal.dumps((number, kind, packed, pieces, used, new, dropped))

    def run(self) -> None:
        """Answer tasks until there is nobody to answer."""
        while True:
            message = self._channel.receive(self._parent)
            if message is None:
                return
            number, indices, unread = pickle.loads(message)
            self._arena.give_back(unread)
            if number < 0:
                self.start_pass()
                continue
            result = self.do(number, indices)
            if result is None:
                continue
            self._channel.send(result, self.files)
            self._channel.finish_sending(self._parent)


def worker_main(
    channel: Channel,
    dataset: Any,
    batched: bool,
    collate_fn: Callable[[Any], Any],
    drop_last: bool,
    base_seed: int,
    init_fn: Callable[[int], None] | None,
    worker: int,
    num_workers: int,
    spare: int,
) -> None:
    """The body of a worker process, forked or spawned."""
    parent = os.getppid()
    _own_signals()
    _C.set_num_threads(1)
    _C._profile_stop()  # a profile is the parent's
    seed = seed_everything(base_seed, worker)
    worker_info.current = WorkerInfo(worker, num_workers, seed, dataset)
    arena = Arena(spare)
    collating.shared_empty = arena.empty
    where = f"in DataLoader worker process {worker}"
    work = _Work(channel, parent, dataset, batched, collate_fn, drop_last, where, arena)
    work.start_pass(None if init_fn is None else lambda: init_fn(worker))
    try:
        work.run()
    except KeyboardInterrupt:
        pass
    finally:
        channel.close()
        if os.getppid() != parent:
            # Nobody is there to flush to or to be joined by.
            os._exit(0)
