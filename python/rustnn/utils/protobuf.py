"""Protocol buffers, as far as writing goes: numbers, texts and messages become bytes."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["Message", "varint"]

_VARINT, _BYTES, _FIXED32 = 0, 2, 5


def varint(number: int) -> bytes:
    """A number as protocol buffers write it: seven bits a byte, negative ones as 64 bits."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Message:
    """A message that grows field by field. Large bytes are kept as they are until the end."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes | memoryview] = []
        self.size = 0

    def _add(self, part: bytes | memoryview) -> None:
        self.parts.append(part)
        self.size += len(part)

    def integer(self, field: int, number: int) -> Self:
        self._add(varint(field << 3 | _VARINT) + varint(number))
        return self

    def integers(self, field: int, numbers: Iterable[int]) -> Self:
        """A repeated field, packed."""
        data = b"".join(varint(n) for n in numbers)
        return self.data(field, data) if data else self

    def single(self, field: int, number: float) -> Self:
        """A float of 32 bits."""
        self._add(varint(field << 3 | _FIXED32) + struct.pack("<f", number))
        return self

    def data(self, field: int, data: bytes | memoryview) -> Self:
        self._add(varint(field << 3 | _BYTES) + varint(len(data)))
        self._add(data)
        return self

    def text(self, field: int, text: str) -> Self:
        return self.data(field, text.encode())

    def message(self, field: int, message: Message) -> Self:
        self._add(varint(field << 3 | _BYTES) + varint(message.size))
        self.parts += message.parts
        self.size += message.size
        return self

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)
