"""The checksum of TensorBoard's event files: CRC-32C (Castagnoli), rotated and shifted as TFRecords want."""

from __future__ import annotations

import functools

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    States = NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78  # reflected
_LANE = 64  # bytes a lane, where many lanes are run side by side
_LONG = 4096  # from here on lanes are faster than a loop


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
    if len(data) >= _LONG:
        crc = _crc_of_lanes(data)
    else:
        crc = 0xFFFFFFFF
        table = _TABLE
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_of_lanes(data: bytes) -> int:
    """Each lane's state by itself, all at once, then joined in pairs: a state is linear in the one before."""
    # Zeros in front do not change a state of zero; that it begins with ones is put into the first bytes.
    lanes = -(-len(data) // _LANE)
    padded = np.zeros(lanes * _LANE, np.uint8)
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    padded[len(padded) - len(data) :][:4] ^= 0xFF
    states = _run(np.zeros(lanes, np.uint32), padded.reshape(lanes, _LANE).T)
    level = 0
    while len(states) > 1:
        if len(states) % 2:
            states = np.append(np.uint32(0), states)
        states = _skip(level, states[::2]) ^ states[1::2]
        level += 1
    return int(states[0])


def _run(states: States, columns: NDArray[np.uint8]) -> States:
    table = np.array(_TABLE, np.uint32)
    for column in np.ascontiguousarray(columns):
        states = table[(states ^ column) & 0xFF] ^ states >> 8
    return states


def _skip(level: int, states: States) -> States:
    """The states after `_LANE * 2**level` bytes of zero."""
    a, b, c, d = _skip_table(level)
    after: States = a[states & 0xFF] ^ b[states >> 8 & 0xFF] ^ c[states >> 16 & 0xFF] ^ d[states >> 24]
    return after


@functools.cache
def _skip_table(level: int) -> States:
    """What these zeros make of each byte of a state, (4, 256)."""
    if level > 0:
        half = _skip_table(level - 1)
        return _skip(level - 1, half.reshape(-1)).reshape(4, 256)
    states = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
    return _run(states.reshape(-1), np.zeros((_LANE, 1), np.uint8)).reshape(4, 256)
