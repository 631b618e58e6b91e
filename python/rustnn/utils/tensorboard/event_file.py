"""Event files: length, checksum, event, checksum; one record after the other.

Events wait in memory until `max_queue` of them are there or `flush_secs` have passed, and are written in one
piece.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
import time
import weakref

from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata, TaggedRunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary

from rustnn.utils.protobuf import varint
from rustnn.utils.tensorboard.crc32c import masked_crc32c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_file_number = itertools.count()
_header_cache: dict[int, bytes] = {}


def record(data: bytes) -> bytes:
    """An event with its length and the two checksums around it."""
    head = _header_cache.get(len(data))
    if head is None:
        length = struct.pack("<Q", len(data))
        head = length + struct.pack("<I", masked_crc32c(length))
        if len(data) < 1024:  # so that the cache stays small
            _header_cache[len(data)] = head
    return head + data + struct.pack("<I", masked_crc32c(data))


class RecordFile:
    """A file that records are appended to. Safe to use from several threads."""

    def __init__(self, path: str, max_queue: int, flush_secs: float) -> None:
        self.path = path
        self._limit = max(1, max_queue)
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._process = os.getpid()
        self._file: Any
        if "://" in path:
            from tensorboard.compat import tf

            self._file = tf.io.gfile.GFile(path, "wb")
        else:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        threading.Thread(
            target=_flush_regularly, args=(weakref.ref(self), self._stop, flush_secs), daemon=True
        ).start()

    def add(self, data: bytes) -> None:
        with self._lock:
            if self._file is None:
                raise OSError("Writer is closed")
            self._waiting.append(record(data))
            if len(self._waiting) >= self._limit:
                self._write()

    def _write(self) -> None:
        # In a forked child the events that wait are the parent's to write.
        if self._waiting and self._process == os.getpid():
            self._file.write(b"".join(self._waiting))
            self._waiting.clear()

    def flush(self) -> None:
        with self._lock:
            if self._file is None:
                raise OSError("Writer is closed")
            self._write()
            self._file.flush()

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            if self._file is not None:
                self._write()
                self._file.close()
                self._file = None


def _flush_regularly(file: weakref.ref[RecordFile], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        alive = file()
        if alive is None:
            return
        try:
            alive.flush()
        except (OSError, ValueError):  # closed meanwhile; a full disk shows in the next add
            return
        del alive


class FileWriter:
    """Writes events to one new file in a directory, which is made if it is not there."""

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        self._settings = (str(log_dir), max_queue, flush_secs, filename_suffix)
        self._scalar_heads: dict[str, bytes] = {}
        self.reopen()

    def reopen(self) -> None:
        """Go on in a new file."""
        log_dir, max_queue, flush_secs, suffix = self._settings
        if "://" in log_dir:
            from tensorboard.compat import tf

            tf.io.gfile.makedirs(log_dir)
        else:
            os.makedirs(log_dir, exist_ok=True)
        start = f"events.out.tfevents.{int(time.time()):010d}"
        name = f"{start}.{socket.gethostname()}.{os.getpid()}.{next(_file_number)}{suffix}"
        self._file = RecordFile(os.path.join(log_dir, name), max_queue, flush_secs)
        weakref.finalize(self, self._file.close)  # also when the program ends without close()
        origin = SourceMetadata(writer="rustnn.utils.tensorboard")
        self.add_event(Event(file_version="brain.Event:2", source_metadata=origin))
        self._file.flush()

    def get_logdir(self) -> str:
        return self._settings[0]

    def add_event(self, event: Event, step: int | None = None, walltime: float | None = None) -> None:
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self._file.add(event.SerializeToString())

    def add_summary(
        self, summary: Summary, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        self.add_event(Event(summary=summary), global_step, walltime)

    def add_scalar(
        self, tag: str, value: float, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A number, as `add_summary` writes it, without the objects in between: it is called often."""
        head = self._scalar_heads.get(tag)
        if head is None:
            if not isinstance(tag, str):
                raise TypeError(f"tag must be a str, not {type(tag).__name__}")
            text = tag.encode()
            content = b"\x0a" + varint(len(text)) + text + b"\x15"
            content = b"\x0a" + varint(len(content) + 4) + content
            head = self._scalar_heads[tag] = b"\x2a" + varint(len(content) + 4) + content
        try:
            number = struct.pack("<f", value)
        except OverflowError:
            number = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
        start = struct.pack("<Bd", 0x09, time.time() if walltime is None else walltime)
        if global_step is not None:
            step = int(global_step)
            if not -(2**63) <= step < 2**63:
                raise ValueError(f"global_step does not fit into 64 bits: {step}")
            start += b"\x10" + varint(step)
        self._file.add(start + head + number)

    def add_graph(self, graph_profile: tuple[GraphDef, Any], walltime: float | None = None) -> None:
        """A graph, and what is known of running it (RunMetadata)."""
        graph, profile = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        metadata = TaggedRunMetadata(tag="step1", run_metadata=profile.SerializeToString())
        self.add_event(Event(tagged_run_metadata=metadata), None, walltime)

    def add_onnx_graph(self, graph: GraphDef, walltime: float | None = None) -> None:
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
