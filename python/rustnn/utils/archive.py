"""Zip archives without compression, whose records start at multiples of 64 bytes.

They are the shell of PyTorch's files.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from contextlib import suppress
from errno import ENOSPC

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from queue import SimpleQueue
    from threading import Thread
    from typing import IO, Any
    from zipfile import ZipFile, ZipInfo

    Record = tuple[str, bytes | memoryview]

__all__ = ["DAMAGED", "Archive", "write_archive", "write_archive_concurrently"]

ALIGNMENT = 64  # so that storages can be mapped into memory

DAMAGED = (
    "PytorchStreamReader failed reading zip archive: {}. The checkpoint file is corrupted, or is none: it "
    "may not have been saved or transferred completely, or was changed afterwards."
)
_JOINED = 1 << 20  # archives up to here are written with one call
_CONCURRENT = 1 << 22  # and those from here on by several threads
_PIECE = 1 << 23
_SHORT = 1 << 16


class _Layout:
    """Where the records of an archive go, and the bytes between them. ``checksums`` may come later."""

    def __init__(self, name: str, records: Sequence[Record]) -> None:
        self.names = [f"{name}/{path}".encode() for path, _ in records]
        self.sizes = [len(content) for _, content in records]
        self.starts: list[int] = []
        start = 0  # PyTorch counts from the beginning of the archive, wherever in a file that is
        self.paddings: list[int] = []
        for encoded, size in zip(self.names, self.sizes, strict=True):
            self.starts.append(start)
            start += 30 + len(encoded) + self._long_size(size) + 4
            self.paddings.append(-start % ALIGNMENT)
            start += self.paddings[-1] + size
        self.end = start

    @staticmethod
    def _long_size(size: int) -> int:
        return 20 if size >= 0xFFFFFFFF else 0

    def header(self, i: int, checksum: int) -> bytes:
        """What stands before the content of a record."""
        size, padding = self.sizes[i], self.paddings[i]
        extra = struct.pack("<HHQQ", 1, 16, size, size) if self._long_size(size) else b""
        extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
        short = min(size, 0xFFFFFFFF)
        version = 45 if self._long_size(size) else 20
        fields = (version, 0x800, 0, 0, 33, checksum, short, short, len(self.names[i]), len(extra))
        return b"PK\3\4" + struct.pack("<HHHHHIIIHH", *fields) + self.names[i] + extra

    def directory(self, checksums: Sequence[int]) -> bytes:
        """What stands at the end of the archive."""
        parts = []
        for encoded, size, start, checksum in zip(
            self.names, self.sizes, self.starts, checksums, strict=True
        ):
            long = size >= 0xFFFFFFFF or start >= 0xFFFFFFFF
            extra = struct.pack("<HHQQQ", 1, 24, size, size, start) if long else b""
            short, place = (0xFFFFFFFF, 0xFFFFFFFF) if long else (size, start)
            version = 45 if long else 20
            fields = (version, version, 0x800, 0, 0, 33, checksum, short, short, len(encoded), len(extra))
            parts.append(b"PK\1\2" + struct.pack("<HHHHHHIIIHH", *fields))
            parts.append(struct.pack("<HHHII", 0, 0, 0, 0, place) + encoded + extra)
        table = b"".join(parts)
        count, end = len(self.names), self.end
        tail = b""
        if count >= 0xFFFF or end + len(table) >= 0xFFFFFFFF:
            sizes = (44, 45, 45, 0, 0, count, count, len(table), end)
            tail = b"PK\6\6" + struct.pack("<QHHIIQQQQ", *sizes)
            tail += b"PK\6\7" + struct.pack("<IQI", 0, end + len(table), 1)
        counts = (0, 0, min(count, 0xFFFF), min(count, 0xFFFF))
        places = (min(len(table), 0xFFFFFFFF), min(end, 0xFFFFFFFF), 0)
        return table + tail + b"PK\5\6" + struct.pack("<HHHHIIH", *counts, *places)


def _write_all(file: Any, content: bytes | bytearray | memoryview) -> None:
    """Write to a file that may take less than it is given; those that do not say how much take all."""
    view = memoryview(content)
    while len(view):
        count = file.write(view[: 1 << 30])
        view = view[(1 << 30 if count is None else count) :]


def write_archive(file: Any, name: str, records: Sequence[Record], checksums: bool = True) -> None:
    """Write an archive of records (path, content) under ``name``/ to anything with a method ``write``."""
    layout = _Layout(name, records)
    sums = [_C._crc32(content) if checksums else 0 for _, content in records]
    pieces: list[bytes | memoryview] = []
    for i, (_, content) in enumerate(records):
        pieces += [layout.header(i, sums[i]), content]
    pieces.append(layout.directory(sums))
    if layout.end < _JOINED:
        pieces = [b"".join(pieces)]
    for piece in pieces:
        _write_all(file, piece)


def write_archive_concurrently(file: Any, name: str, records: Sequence[Record], checksums: bool) -> None:
    """The same for a file of the system, opened without a buffer.

    Two threads hand the content over, checksums are computed meanwhile, and the disk writes as well.
    """
    layout = _Layout(name, records)
    if layout.end < _CONCURRENT or not hasattr(os, "pwrite"):
        write_archive(file, name, records, checksums)
        return
    fd = file.fileno()
    if hasattr(os, "posix_fallocate"):  # room at once is found faster than bit by bit
        try:
            os.posix_fallocate(fd, 0, layout.end)
        except OSError as error:
            if error.errno == ENOSPC:
                raise
    sums = [0] * len(records)
    pieces: deque[tuple[int, bytearray | memoryview]] = deque()
    together, at = bytearray(), 0  # what is short is written with what stands around it
    long = []
    for i, (_, content) in enumerate(records):
        if len(content) < _SHORT:
            sums[i] = _C._crc32(content) if checksums else 0
            together += layout.header(i, sums[i]) + content
            continue
        long.append(i)
        pieces.append((at, together + layout.header(i, 0)))
        at += len(pieces[-1][1])
        whole = memoryview(content)
        pieces.extend((at + k, whole[k : k + _PIECE]) for k in range(0, len(whole), _PIECE))
        together, at = bytearray(), at + len(whole)
    pieces.append((at, together))
    failures: list[BaseException] = []

    def write_pieces(fd: int) -> None:
        try:
            while True:
                at, piece = pieces.popleft()
                _write_at(fd, piece, at)
                _begin_to_write_out(fd, at, len(piece))
        except IndexError:  # all are written
            return
        except BaseException as error:
            failures.append(error)
            pieces.clear()

    # A number of its own: whatever interrupts this thread, the other never writes to the next file.
    other = os.dup(fd)

    def sum_up_and_write() -> None:
        try:
            for i in long if checksums else ():
                sums[i] = _C._crc32(records[i][1])
            write_pieces(other)
        finally:
            os.close(other)

    from threading import Thread

    thread = Thread(target=sum_up_and_write, daemon=True)
    thread.start()
    write_pieces(fd)
    thread.join()
    if failures:
        raise failures[0]
    _write_at(fd, layout.directory(sums), layout.end)
    for i in long:
        _write_at(fd, struct.pack("<I", sums[i]), layout.starts[i] + 14)


def _write_at(fd: int, content: bytes | bytearray | memoryview, at: int) -> None:
    view = memoryview(content)
    while len(view):
        count = os.pwrite(fd, view[: 1 << 30], at)
        view, at = view[count:], at + count


def _begin_to_write_out(fd: int, start: int, size: int) -> None:
    """Have the disk write a part of a file, so that the sync at the end is short.

    "Not needed" makes Linux begin without waiting; what is not yet written stays in memory.
    """
    if size >= _PIECE and hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(fd, start, size, os.POSIX_FADV_DONTNEED)


class _Checksum:
    """The CRC-32 of bytes that come in pieces; with ``beside``, a thread computes it while more are read."""

    def __init__(self, beside: bool) -> None:
        self.value = 0
        self.thread: Thread | None = None
        if beside:
            from queue import SimpleQueue
            from threading import Thread

            self.pieces: SimpleQueue[memoryview | None] = SimpleQueue()
            self.thread = Thread(target=self._work, daemon=True)
            self.thread.start()

    def _work(self) -> None:
        while (piece := self.pieces.get()) is not None:
            self.value = _C._crc32(piece, self.value)

    def add(self, piece: memoryview) -> None:
        if self.thread is None:
            self.value = _C._crc32(piece, self.value)
        else:
            self.pieces.put(piece)

    def finish(self) -> int:
        if self.thread is not None:
            self.pieces.put(None)
            self.thread.join()
        return self.value


class Archive:
    """An archive that is read, with every size checked against the file's before memory is taken for it."""

    def __init__(self, file: IO[bytes]) -> None:
        import zipfile

        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.left = self.size
        file.seek(0)
        try:
            self.zip: ZipFile = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise RuntimeError(DAMAGED.format("failed finding central directory")) from error
        except (struct.error, ValueError, NotImplementedError, EOFError, OSError) as error:
            raise RuntimeError(DAMAGED.format(str(error))) from error
        self.records: dict[str, ZipInfo] = {}
        for info in self.zip.infolist():
            _, slash, path = info.filename.partition("/")
            if slash:
                self.records.setdefault(path, info)

    def find(self, path: str) -> tuple[int, ZipInfo]:
        """Where a record's bytes begin, and its entry."""
        info = self.records.get(path)
        if info is None:
            raise RuntimeError(DAMAGED.format(f"file not found: archive/{path}"))
        if info.compress_type != 0 or info.compress_size != info.file_size or info.flag_bits & 1:
            raise RuntimeError(DAMAGED.format(f"record {path} is compressed or encrypted"))
        self.file.seek(max(info.header_offset, 0))
        header = self.file.read(30)
        if info.header_offset < 0 or len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise RuntimeError(DAMAGED.format(f"record {path} has no header"))
        skip = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = info.header_offset + 30 + skip
        if start + info.file_size > self.size:
            raise RuntimeError(DAMAGED.format(f"record {path} is longer than the file"))
        return start, info

    def claim(self, path: str) -> ZipInfo:
        """The entry of a record that is about to be read. All that is read together fits into the file:
        records that lie over each other would make much memory of little."""
        _, info = self.find(path)
        self.left -= info.file_size
        if self.left < 0:
            raise RuntimeError(DAMAGED.format("its records are longer together than the file"))
        return info

    def read_into(self, path: str, view: memoryview) -> None:
        """Fill ``view``, which has the record's size."""
        start, info = self.find(path)
        self.file.seek(start)
        checksum = _Checksum(beside=len(view) >= _CONCURRENT)
        done = 0
        try:
            while done < len(view):
                part = view[done : done + _PIECE]
                if hasattr(self.file, "readinto"):
                    count = self.file.readinto(part)
                else:
                    piece = self.file.read(len(part))
                    count = len(piece)
                    part[:count] = piece
                if not count:
                    raise RuntimeError(DAMAGED.format(f"record {path} ends early"))
                checksum.add(part[:count])
                done += count
        finally:
            found = checksum.finish()
        if found != info.CRC and info.CRC != 0:  # PyTorch can be told to leave it out
            raise RuntimeError(DAMAGED.format(f"record {path} has a wrong checksum"))

    def read(self, path: str) -> bytes:
        """The bytes of a (small) record."""
        content = bytearray(self.claim(path).file_size)
        self.read_into(path, memoryview(content))
        return bytes(content)
