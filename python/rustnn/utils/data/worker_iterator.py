"""One pass of a ``DataLoader`` whose batches are fetched by other processes."""

from __future__ import annotations

import marshal
import multiprocessing
import os
import pickle
import signal
from collections import deque
from contextlib import contextmanager, suppress
from itertools import cycle
from time import monotonic
from weakref import finalize

from rustnn.utils.data.channel import Channel, forked_for, remaining
from rustnn.utils.data.iterator import _BaseDataLoaderIter
from rustnn.utils.data.shared_memory import Mappings
from rustnn.utils.data.worker import DATA, END, worker_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn.utils.data.dataloader import DataLoader

    # A batch as it arrived: kind, pickle, pieces, segments.
    Result = tuple[int, Any, list[Any], list[int]]

# Seconds that workers have to finish what they are at before they are ended.
_PATIENCE = 5.0


class _Worker:
    """One worker process, as the loader's process sees it."""

    def __init__(self, loader: DataLoader[Any], number: int, base_seed: int, spare: int) -> None:
        context = loader.multiprocessing_context
        if context is None:
            context = multiprocessing.get_context()
        if context.get_start_method() == "fork":
            # Once here instead of in every worker.
            with suppress(ImportError):
                import numpy.random  # noqa: F401
        self.channel, theirs = Channel.pair()
        self.mappings = Mappings(spare)
        self.process = context.Process(
            target=worker_main,
            args=(
                theirs,
                loader.dataset,
                loader._auto_collation,
                loader.collate_fn,
                loader.drop_last,
                base_seed,
                loader.worker_init_fn,
                number,
                loader.num_workers,
                spare,
            ),
        )
        # Ended with this process at the latest.
        self.process.daemon = True
        try:
            with forked_for(theirs), _interrupts_held():
                self.process.start()
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.close()

    def send(self, task: int, indices: Any) -> None:
        self.channel.send(pickle.dumps((task, indices, self.mappings.take_unread())))

    def arrived(self) -> list[tuple[int, Result]]:
        """The results that have arrived: number of the task and batch."""
        results = []
        while self.channel.received:
            message, files = self.channel.received.popleft()
            task, kind, packed, pieces, used, new, dropped = marshal.loads(message)
            self.mappings.admit(new, dropped, files)
            results.append((task, (kind, packed, pieces, used)))
        return results


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits: a process that starts meanwhile begins with it blocked, until it has made up its mind."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(workers: list[_Worker], owner: int) -> None:
    """End the workers: by the end of their channels, and if that does not help, by signals."""
    for worker in workers:
        worker.channel.close()
        worker.mappings.close()
    if os.getpid() != owner:
        return  # a forked child has a copy of the iterator, but they are not its workers
    deadline = monotonic() + _PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - monotonic()))
    for end in ("terminate", "kill"):
        for worker in workers:
            if worker.process.is_alive():
                getattr(worker.process, end)()
        for worker in workers:
            worker.process.join(1.0)
    for worker in workers:
        if not worker.process.is_alive():
            worker.process.close()
    workers.clear()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Batches are fetched ahead by workers; task n goes to the next worker in turn that has not ended."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if self._num_workers <= 0:
            raise AssertionError("num_workers must be greater than 0 for MultiProcessingDataLoaderIter")
        if loader.prefetch_factor is None or loader.prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        self._persistent_workers = loader.persistent_workers
        self._send_idx = 0
        self._shutdown = False
        self._workers: list[_Worker] = []
        self._stop = finalize(self, _stop, self._workers, os.getpid())
        try:
            for number in range(self._num_workers):
                # Segments: what is fetched ahead, what the loop looks at, and what is being written.
                self._workers.append(_Worker(loader, number, self._base_seed, self._prefetch_factor + 3))
            self._reset(loader, first_iter=True)
        except BaseException:
            self._shutdown_workers()
            raise

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        if not first_iter:
            for number, result in self._tasks.values():
                if result is not None:
                    self._workers[number].mappings.skip(result[3])
        # Numbers of tasks go on from pass to pass, so that results of an unfinished pass are known as such.
        self._first_idx = self._rcvd_idx = self._send_idx
        # The tasks of this pass whose batch is not given out: which worker, and the result once it is there.
        self._tasks: dict[int, tuple[int, Result | None]] = {}
        # Results in the order in which they arrived, for loops that take them so.
        self._fresh: deque[int] = deque()
        # Whether a worker still has samples in this pass.
        self._active = [True] * self._num_workers
        self._tasks_of = [0] * self._num_workers
        self._turn = cycle(range(self._num_workers))
        if not first_iter:
            for worker in self._workers:
                worker.send(-1, None)
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()

    def _try_put_index(self) -> None:
        """Give the next task to the worker whose turn it is."""
        try:
            indices = self._next_index()
        except StopIteration:
            return
        room = self._prefetch_factor * self._num_workers // max(1, sum(self._active))
        for _ in range(self._num_workers):
            number = next(self._turn)
            if self._active[number] and (self._in_order or self._tasks_of[number] < room):
                break
        else:
            return
        self._workers[number].send(self._send_idx, indices)
        self._tasks[self._send_idx] = number, None
        self._tasks_of[number] += 1
        self._send_idx += 1

    def _take_in(self) -> bool:
        """Sort in what has arrived from all workers; False if that was nothing."""
        before = len(self._fresh)
        for worker in self._workers:
            for task, result in worker.arrived():
                kind = result[0]
                if task < self._first_idx or task not in self._tasks:
                    worker.mappings.skip(result[3])
                    continue
                number = self._tasks[task][0]
                if kind == END:
                    worker.mappings.skip(result[3])
                    self._end_of(number)
                    self._fresh.append(-1)
                    continue
                self._tasks[task] = number, result
                self._fresh.append(task)
        return len(self._fresh) > before

    def _end_of(self, number: int) -> None:
        """The worker has no more samples in this pass: its other tasks are void, and the turn goes on."""
        self._active[number] = False
        for task in [t for t, (n, result) in self._tasks.items() if n == number and result is None]:
            del self._tasks[task]
        self._try_put_index()

    def _wanted(self) -> int | None:
        """The task whose batch is to be given out now, if its result is there."""
        if self._in_order:
            self._fresh.clear()
            while self._rcvd_idx < self._send_idx and self._rcvd_idx not in self._tasks:
                self._rcvd_idx += 1
            task = self._tasks.get(self._rcvd_idx)
            return None if task is None or task[1] is None else self._rcvd_idx
        while self._fresh:
            task_number = self._fresh.popleft()
            if task_number in self._tasks:
                return task_number
        return None

    def _next_data(self) -> Any:
        deadline = monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            if not self._tasks:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if self._shutdown:
                raise AssertionError(
                    "Invalid iterator state: shutdown or no outstanding tasks when fetching next data"
                )
            wanted = self._wanted()
            if wanted is not None:
                return self._give_out(wanted)
            if any(worker.channel.closed for worker in self._workers):
                self._check_workers()
            if deadline is not None and monotonic() >= deadline:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            Channel.wait([worker.channel for worker in self._workers], remaining(deadline))
            if not self._take_in():
                self._check_workers()

    def _give_out(self, task: int) -> Any:
        number, result = self._tasks.pop(task)
        assert result is not None
        kind, packed, pieces, used = result
        mappings = self._workers[number].mappings
        self._tasks_of[number] -= 1
        if kind != DATA:
            mappings.skip(used)
            self._try_put_index()
            raise pickle.loads(packed).exception()
        try:
            return mappings.unpack(packed, pieces, used)
        finally:
            self._try_put_index()

    def _check_workers(self) -> None:
        """RuntimeError if a worker has died."""
        dead = [w for w in self._workers if w.channel.closed or not w.process.is_alive()]
        if not dead:
            return
        for worker in dead:
            worker.process.join(1.0)
        pids = ", ".join(str(worker.process.pid) for worker in dead)
        cause = _cause_of_death(dead[0].process.pid or 0, dead[0].process.exitcode)
        self._shutdown_workers()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from cause

    def _shutdown_workers(self) -> None:
        self._shutdown = True
        self._stop()


def _cause_of_death(pid: int, code: int | None) -> RuntimeError:
    if code is not None and code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        text = f"DataLoader worker (pid {pid}) is killed by signal: {name}. "
        if -code == getattr(signal, "SIGBUS", 0):
            text += (
                "It is possible that dataloader's workers are out of shared memory. Please try to raise your "
                "shared memory limit."
            )
        return RuntimeError(text)
    return RuntimeError(
        f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {code}. Details are lost due to "
        "multiprocessing. Rerunning with num_workers=0 may give better error trace."
    )
