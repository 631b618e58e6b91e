"""The checksum of TensorBoard's event files: CRC-32C (Castagnoli), rotated and shifted as TFRecord files
have it.
"""

from __future__ import annotations

import functools

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # reflected
_LANE = 256  # bytes a lane, where many lanes are run side by side
_LONG = 16 * _LANE


def _byte_table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _byte_table()


def masked_crc32c(data: bytes) -> int:
    """The masked checksum of some bytes, an unsigned number of 32 bits."""
    crc = 0xFFFFFFFF
    if len(data) >= _LONG:
        whole = len(data) // _LANE * _LANE
        crc = _advance_in_lanes(crc, data[:whole])
        data = data[whole:]
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _advance_in_lanes(crc: int, data: bytes) -> int:
    """Each lane's checksum by itself, all at once; then joined: the checksum is linear in state and data."""
    columns = np.frombuffer(data, np.uint8).reshape(-1, _LANE).T.astype(np.uint32)
    skip = _skip_table()
    a, b, c, d = skip
    for lane in _run(np.zeros(columns.shape[1], np.uint32), columns).tolist():
        crc = a[crc & 0xFF] ^ b[crc >> 8 & 0xFF] ^ c[crc >> 16 & 0xFF] ^ d[crc >> 24] ^ lane
    return crc


def _run(state: NDArray[np.uint32], columns: NDArray[np.uint32]) -> NDArray[np.uint32]:
    table = np.array(_TABLE, np.uint32)
    for column in columns:
        state = table[(state ^ column) & 0xFF] ^ state >> 8
    return state


@functools.cache
def _skip_table() -> list[list[int]]:
    """What a lane of zero bytes makes of a state, for each byte of it."""
    states = (np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]).reshape(-1)
    rows: list[list[int]] = _run(states, np.zeros((_LANE, states.size), np.uint32)).reshape(4, 256).tolist()
    return rows
