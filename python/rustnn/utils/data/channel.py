"""Messages between a loader and one of its workers: a pair of sockets, over which open files travel too.

No locks, no queues, no threads: whatever happens to one side, the other reads to the end of the stream and
knows. Nothing of it has a name in the system, so that nothing can be left behind.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from array import array
from collections import deque
from time import monotonic
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Channel", "forked_for"]

_HEADER = struct.Struct("<QI")  # bytes of the message, files that come with it
_READ = 1 << 16
_FILES = 64  # that one message may carry
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
# How often somebody who waits looks whether the other process is still there.
LOOK = 1.0

# Ends of channels in this process. A forked child closes all but its own: an end that somebody else holds
# would hide that a process has died.
_ENDS: WeakSet[Channel] = WeakSet()
_mine = threading.local()


def _close_inherited() -> None:
    kept = getattr(_mine, "end", None)
    for end in list(_ENDS):
        if end is not kept:
            end.close()


class forked_for:
    """While it is entered, processes that this thread forks keep ``end`` open."""

    def __init__(self, end: Channel) -> None:
        self._end = end

    def __enter__(self) -> None:
        _mine.end = self._end

    def __exit__(self, *exception: object) -> None:
        _mine.end = None


class Channel:
    """One end of a two-way stream of messages. It never blocks but in ``wait`` and ``receive``.

    ``closed`` says that the other side is gone, or that this end was closed.
    """

    _registered = False

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.closed = False
        self._unsent: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._read = bytearray()
        self._files: deque[int] = deque()
        self.received: deque[tuple[bytes, list[int]]] = deque()
        if not Channel._registered and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_close_inherited)
            Channel._registered = True
        _ENDS.add(self)

    @staticmethod
    def pair() -> tuple[Channel, Channel]:
        """Both ends of a new channel."""
        if not hasattr(socket.socket, "sendmsg") or not hasattr(socket, "SCM_RIGHTS"):
            raise NotImplementedError("workers need sockets that carry open files: num_workers=0 works here")
        one, other = socket.socketpair()
        return Channel(one), Channel(other)

    def __reduce__(self) -> tuple[type[Channel], tuple[socket.socket]]:
        """For processes that are spawned: the socket is duplicated into them."""
        return Channel, (self._socket,)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: bytes, files: Sequence[int] = ()) -> None:
        """Queue a message and send what the other side takes now. ``files`` are closed once they are sent."""
        header = _HEADER.pack(len(message), len(files))
        self._unsent.append((memoryview(header + message), tuple(files)))
        self.flush()

    def flush(self) -> None:
        """Send what is queued, as far as the other side takes it."""
        while self._unsent and not self.closed:
            content, files = self._unsent[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", files))] if files else []
            try:
                sent = self._socket.sendmsg([content], rights)
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            for fd in files:
                os.close(fd)
            if sent == len(content):
                self._unsent.popleft()
            else:
                self._unsent[0] = content[sent:], ()

    def pull(self) -> None:
        """Move what has arrived to ``received``: messages with their open files."""
        while not self.closed:
            try:
                content, rights, _, _ = self._socket.recvmsg(_READ, socket.CMSG_SPACE(4 * _FILES), _FLAGS)
            except BlockingIOError:
                break
            except OSError:
                content, rights = b"", []
            for level, kind, data in rights:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds = array("i")
                    fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                    self._files.extend(fds)
            if not content:
                self.closed = True
            self._read += content
            if len(content) < _READ:
                break
        start = 0
        while len(self._read) - start >= _HEADER.size:
            length, count = _HEADER.unpack_from(self._read, start)
            end = start + _HEADER.size + length
            if len(self._read) < end:
                break
            files = [self._files.popleft() for _ in range(count)]
            self.received.append((bytes(memoryview(self._read)[start + _HEADER.size : end]), files))
            start = end
        del self._read[:start]

    @staticmethod
    def wait(channels: Sequence[Channel], timeout: float) -> None:
        """Wait until something arrives at one of them, no longer than ``timeout`` seconds, and take it in.

        What is still to be sent is sent meanwhile.
        """
        poll = select.poll()
        by_file = {}
        for channel in channels:
            if not channel.closed:
                by_file[channel.fileno()] = channel
                poll.register(channel, select.POLLIN | (select.POLLOUT if channel._unsent else 0))
        for fd, event in poll.poll(max(0, timeout) * 1000):
            channel = by_file[fd]
            if event & select.POLLOUT:
                channel.flush()
            if event & ~select.POLLOUT:
                channel.pull()

    def receive(self, parent: int) -> bytes | None:
        """The next message, or None when the process ``parent`` has closed its end or died."""
        while not self.received:
            if self.closed or os.getppid() != parent:
                return None
            Channel.wait([self], LOOK)
        return self.received.popleft()[0]

    def finish_sending(self, parent: int) -> None:
        """Wait until all is sent, or nobody is there to take it."""
        while self._unsent and not self.closed and os.getppid() == parent:
            Channel.wait([self], LOOK)

    def close(self) -> None:
        """Close this end; the other side reads to the end and stops."""
        self.closed = True
        self._socket.close()
        for fd in [*self._files, *(fd for _, fds in self.received for fd in fds)]:
            os.close(fd)
        self._files.clear()
        self.received.clear()
        for _, files in self._unsent:
            for fd in files:
                os.close(fd)
        self._unsent.clear()


def remaining(deadline: float | None) -> float:
    """Seconds to wait at once: until the deadline, but no longer than ``LOOK``."""
    return LOOK if deadline is None else min(LOOK, deadline - monotonic())
