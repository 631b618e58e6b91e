"""Batches that travel between processes in memory that both see.

The worker writes tensors and arrays into segments, anonymous files that it maps; only their places go
through the channel, and the parent's tensors are views of the same pages. A segment is written again once
nothing in the parent looks at it. A segment has no name: it is gone with the last process that maps it,
however that ends.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from collections import deque
from functools import partial
from multiprocessing.reduction import ForkingPickler
from weakref import ref

from rustnn import _C
from rustnn._C import Tensor, UntypedStorage
from rustnn.copying import reduce_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Piece = tuple[int, int, int]  # number of the segment, offset, bytes

__all__ = ["Arena", "Mappings", "anonymous_file"]

_ALIGN = 64
_SMALLEST = 1 << 20
# Objects whose pickle is longer go through shared memory as a whole.
_LONG = 1 << 15
# Segments that one worker's batches may keep in the parent; batches beyond are copied, for every segment
# costs an open file.
_HELD = 16


def anonymous_file(nbytes: int) -> int:
    """A file without a name. Its pages take memory when they are first written."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("rustnn-batch")
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, nbytes)
    return fd


class _Segment:
    def __init__(self, number: int, nbytes: int) -> None:
        self.number = number
        self.nbytes = nbytes
        self.fd = anonymous_file(nbytes)
        self.memory = mmap.mmap(self.fd, nbytes)
        self.view = memoryview(self.memory)
        # What tensors of the batch that is being written hold, and how to see whether any still does.
        self.array: Any = None
        self.lease: ref[Any] | None = None


class Arena:
    """The worker's side: where batches are written. ``spare`` segments are kept for batches to come."""

    def __init__(self, spare: int) -> None:
        import numpy

        self._array = numpy.frombuffer
        self._byte = numpy.uint8
        self._spare = spare
        self._count = 0
        self._segments: dict[int, _Segment] = {}
        self._free: list[_Segment] = []
        self._dropped: list[int] = []
        self._usual = _SMALLEST
        self._start()

    def _start(self) -> None:
        self._open: list[_Segment] = []
        self._at = 0
        self._taken = 0
        self._new: list[_Segment] = []
        # Memory that is in the arena already, by address and size, and what must live as long as that holds.
        self._placed: dict[tuple[int, int], Piece] = {}
        self._kept: list[Any] = []

    def _take(self, nbytes: int) -> tuple[_Segment, int]:
        """Room for so many bytes: the segment and the offset."""
        self._taken += nbytes + _ALIGN
        offset = -(-self._at // _ALIGN) * _ALIGN
        if not self._open or offset + nbytes > self._open[-1].nbytes:
            segment = self._segment(nbytes)
            segment.array = self._array(segment.memory, self._byte)
            self._open.append(segment)
            offset = 0
        self._at = offset + nbytes
        return self._open[-1], offset

    def _segment(self, nbytes: int) -> _Segment:
        # The one that was used last: its pages are in the caches.
        for i in reversed(range(len(self._free))):
            if self._free[i].nbytes >= nbytes:
                return self._free.pop(i)
        if self._free:  # too small for what comes now
            self._drop(self._free.pop(0))
        # One that the whole batch fits in, if it is like the last ones; more of them grow fast.
        wanted = max(nbytes, self._usual, self._taken)
        segment = _Segment(self._count, -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE)
        self._count += 1
        self._segments[segment.number] = segment
        self._new.append(segment)
        return segment

    def _drop(self, segment: _Segment) -> None:
        del self._segments[segment.number]
        self._dropped.append(segment.number)

    def empty(self, shape: Sequence[int], dtype: _C.dtype) -> Tensor | None:
        """A tensor in the arena; None for one without elements."""
        count = 1
        for size in shape:
            count *= size
        if count == 0:
            return None
        nbytes = count * dtype.itemsize
        segment, offset = self._take(nbytes)
        flat = _C.frombuffer(segment.array, dtype=dtype, count=count, offset=offset)
        self._placed[flat.data_ptr(), nbytes] = segment.number, offset, nbytes
        return flat.view(*shape)

    def _store(self, content: memoryview | bytes) -> Piece:
        nbytes = len(content)
        segment, offset = self._take(nbytes)
        segment.view[offset : offset + nbytes] = content
        return segment.number, offset, nbytes

    def _place(self, storage: UntypedStorage) -> Piece:
        key = storage.data_ptr(), storage.nbytes()
        piece = self._placed.get(key)
        if piece is None:
            piece = self._placed[key] = self._store(memoryview(storage))
            self._kept.append(storage)
        return piece

    def pack(self, value: object) -> tuple[bytes | Piece, list[Piece]]:
        """The pickle of ``value``, and the pieces of memory it refers to. Raises what pickling raises."""
        file = io.BytesIO()
        pieces: list[Piece] = []
        storages: dict[int, tuple[pickle.PickleBuffer, Piece]] = {}

        def outside(buffer: pickle.PickleBuffer) -> None:
            known = storages.get(id(buffer))
            pieces.append(self._store(buffer.raw()) if known is None else known[1])

        packer = _Packer(file, 5, True, outside)
        packer.arena = self
        packer.storages = storages
        packer.dump(value)
        pickled = file.getbuffer()
        return (self._store(pickled) if len(pickled) > _LONG else bytes(pickled)), pieces

    def close_batch(self) -> tuple[list[int], list[tuple[int, int]], list[int], list[int]]:
        """Ends a batch: the segments that it is in, the new ones among them with their sizes, those that are
        no longer there, and the files of the new ones."""
        used = [segment.number for segment in self._open]
        new = [(segment.number, segment.nbytes) for segment in self._new]
        files = [segment.fd for segment in self._new]
        dropped, self._dropped = self._dropped, []
        self._usual = max(self._usual, self._taken + self._taken // 4)
        for segment in self._open:
            segment.lease, segment.array = ref(segment.array), None
        self._start()
        return used, new, dropped, files

    def give_up_batch(self) -> None:
        """Forget what was written since the last batch, because it cannot be sent."""
        new = self._new
        unused, _, self._dropped, _ = self.close_batch()
        self._new = new  # they are open all the same, and the next batch tells of them
        self.give_back(unused)

    def give_back(self, numbers: Sequence[int]) -> None:
        """The parent no longer looks at these segments; one under a tensor of this process is left to it."""
        for number in numbers:
            segment = self._segments.get(number)
            if segment is None:
                continue
            if len(self._free) < self._spare and (segment.lease is None or segment.lease() is None):
                self._free.append(segment)
            else:
                self._drop(segment)


class _Packer(ForkingPickler):
    """A pickler that leaves the memory of tensors and arrays to an arena."""

    arena: Arena
    storages: dict[int, tuple[pickle.PickleBuffer, Piece]]

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.requires_grad and not value.is_leaf:
                raise RuntimeError(
                    "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
                    "not support crossing process boundaries.  If you just want to transfer the data, call "
                    "detach() on the tensor before serializing (e.g., putting it on the queue)."
                )
            nbytes = value.numel() * value.element_size()
            if type(value) is Tensor and value.untyped_storage().nbytes() > 2 * nbytes + mmap.PAGESIZE:
                # A small part of much: only the part travels.
                value = value.detach().clone().requires_grad_(value.requires_grad)
            return reduce_tensor(value)
        if isinstance(value, UntypedStorage):
            if value.nbytes() == 0:
                return UntypedStorage, (0,)
            piece = self.arena._place(value)
            number, offset, nbytes = piece
            memory = self.arena._segments[number].view[offset : offset + nbytes]
            buffer = pickle.PickleBuffer(memory)
            self.storages[id(buffer)] = buffer, piece
            return _storage, (buffer,)
        return NotImplemented


def _storage(buffer: Any) -> UntypedStorage:
    if getattr(buffer, "base", buffer) is None:  # an array of its own: a copy, which nobody else sees
        return _C.frombuffer(buffer, dtype=_C.uint8).untyped_storage()
    return _C._shared_storage(buffer)


class Mappings:
    """The parent's side: the segments of one worker, and who looks at them."""

    def __init__(self, spare: int) -> None:
        import numpy

        self._array = numpy.frombuffer
        self._byte = numpy.uint8
        self._limit = spare + _HELD
        self._segments: dict[int, mmap.mmap] = {}
        self._leases: dict[int, ref[Any]] = {}
        self._unread: deque[int] = deque()

    def admit(self, new: list[tuple[int, int]], dropped: list[int], files: list[int]) -> None:
        """Map new segments, and forget those that the worker has dropped. The files are closed."""
        for (number, nbytes), fd in zip(new, files, strict=True):
            try:
                self._segments[number] = mmap.mmap(fd, nbytes)
            finally:
                os.close(fd)
        for number in dropped:
            self._segments.pop(number, None)

    def _end(self, number: int, _: object) -> None:
        self._leases.pop(number, None)
        self._unread.append(number)

    def unpack(self, pickled: bytes | Piece, pieces: list[Piece], used: list[int]) -> Any:
        """What was packed. Its memory is the worker's until the last tensor over it is gone."""
        arrays = {}
        for number in used:
            memory = arrays[number] = self._array(self._segments[number], self._byte)
            self._leases[number] = ref(memory, partial(self._end, number))
        parts = [arrays[number][offset : offset + nbytes] for number, offset, nbytes in pieces]
        if len(self._leases) > self._limit:
            parts = [part.copy() for part in parts]
        if not isinstance(pickled, bytes):
            number, offset, nbytes = pickled
            content: Any = arrays[number][offset : offset + nbytes]
            return pickle.loads(content, buffers=parts)
        return pickle.loads(pickled, buffers=parts)

    def close(self) -> None:
        """No more batches come. Tensors over those that came keep their memory."""
        self._segments.clear()
        self._leases.clear()

    def skip(self, used: list[int]) -> None:
        """Nobody wants the batch in these segments."""
        self._unread.extend(used)

    def take_unread(self) -> list[int]:
        """The segments that nobody looks at any more: the worker may write them again."""
        numbers = []
        while self._unread:
            numbers.append(self._unread.popleft())
        return numbers
