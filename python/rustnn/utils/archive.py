"""Zip archives without compression, whose records start at multiples of 64 bytes.

They are the shell of PyTorch's files.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, Any
    from zipfile import ZipFile, ZipInfo

__all__ = ["DAMAGED", "Archive", "write_archive"]

ALIGNMENT = 64  # so that storages can be mapped into memory

DAMAGED = (
    "PytorchStreamReader failed reading zip archive: {}. The checkpoint file is corrupted, or is none: it "
    "may not have "
    "been saved or transferred completely, or was changed afterwards."
)


def write_archive(file: Any, name: str, records: Iterable[tuple[str, bytes | memoryview]]) -> None:
    """Write a zip archive without compression, of records (path, content) under ``name``/."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:

        def record(path: str, content: bytes | memoryview) -> None:
            info = zipfile.ZipInfo(f"{name}/{path}")
            long = len(content) * 1.05 > zipfile.ZIP64_LIMIT
            header = archive.start_dir + 30 + len(info.filename.encode()) + (20 if long else 0) + 4
            padding = -header % ALIGNMENT
            info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            archive.writestr(info, content)

        for path, content in records:
            record(path, content)


class Archive:
    """An archive that is read, with every size checked against the file's before memory is taken for it."""

    def __init__(self, file: IO[bytes]) -> None:
        import struct
        import zipfile

        self.file = file
        self.size = file.seek(0, os.SEEK_END)
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

    def read_into(self, path: str, view: memoryview) -> None:
        """Fill ``view``, which has the record's size."""
        import zlib

        start, info = self.find(path)
        self.file.seek(start)
        done = 0
        while done < len(view):
            if hasattr(self.file, "readinto"):
                count = self.file.readinto(view[done:])
            else:
                piece = self.file.read(len(view) - done)
                count = len(piece)
                view[done : done + count] = piece
            if not count:
                raise RuntimeError(DAMAGED.format(f"record {path} ends early"))
            done += count
        if zlib.crc32(view) != info.CRC:
            raise RuntimeError(DAMAGED.format(f"record {path} has a wrong checksum"))

    def read(self, path: str) -> bytes:
        """The bytes of a (small) record."""
        _, info = self.find(path)
        content = bytearray(info.file_size)
        self.read_into(path, memoryview(content))
        return bytes(content)
