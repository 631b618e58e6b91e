"""Sequences of different lengths as one tensor: packed behind each other by time, or padded to one length.

A packed batch holds the first elements of all sequences, then the second ones of those that have one, and so
on; the sequences stand from the longest to the shortest.
"""

from __future__ import annotations

from typing import NamedTuple

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """What `pack_padded_sequence` makes: ``data`` (elements, *), ``batch_sizes`` (longest), both orders.

    ``batch_sizes`` says how many sequences have an element at each time. ``sorted_indices`` (N) names the
    sequences from the longest to the shortest, ``unsorted_indices`` undoes that; None where they came so.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _each(self, change: str, *args: Any, **kwargs: Any) -> Self:
        data = getattr(self.data, change)(*args, **kwargs)
        if data is self.data:
            return self
        order, undo = (
            bind(t, lambda t: t.to(data.device)) for t in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, order, undo)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As `Tensor.to`, of the data."""
        return self._each("to", *args, **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """On a GPU."""
        return self._each("cuda", *args, **kwargs)

    def cpu(self) -> Self:
        """On the CPU."""
        return self._each("cpu")

    def double(self) -> Self:
        """As float64."""
        return self._each("double")

    def float(self) -> Self:
        """As float32."""
        return self._each("float")

    def half(self) -> Self:
        """As float16."""
        return self._each("half")

    def long(self) -> Self:
        """As int64."""
        return self._each("long")

    def int(self) -> Self:
        """As int32."""
        return self._each("int")

    def short(self) -> Self:
        """As int16."""
        return self._each("short")

    def char(self) -> Self:
        """As int8."""
        return self._each("char")

    def byte(self) -> Self:
        """As uint8."""
        return self._each("byte")

    def pin_memory(self) -> Self:
        """In memory that a GPU can read."""
        return self._each("pin_memory")

    def is_pinned(self) -> bool:
        """Whether a GPU can read the memory."""
        return bool(self.data.is_pinned())

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a GPU."""
        return bool(self.data.is_cuda)


def bind(optional: Any, fn: Callable[[Any], Any]) -> Any:
    """``fn(optional)``, or None of None."""
    return None if optional is None else fn(optional)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation (N) that undoes another one."""
    if permutation is None:
        return None
    output = _C.empty_like(permutation)
    output.scatter_(0, permutation, _C.arange(0, permutation.numel(), device=permutation.device))
    return output


def _present(lengths: Tensor, longest: int) -> Tensor:
    """(longest, N): whether a sequence has an element at a time. Lengths are the host's, and so is this."""
    return _C.arange(longest).unsqueeze(1) < lengths.unsqueeze(0)


def _places(present: Tensor, like: Tensor) -> tuple[Tensor, ...]:
    """Times and sequences of the elements that are there, where `like` is."""
    return tuple(index.to(like.device) for index in present.nonzero(as_tuple=True))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack (T, N, *), or (N, T, *) with ``batch_first``, of which ``lengths`` (N) elements count.

    With ``enforce_sorted`` the lengths must not increase; otherwise the sequences are sorted by length.
    RuntimeError for lengths that are not between 1 and T, of another number, or not sorted.
    """
    given: Tensor = lengths if isinstance(lengths, Tensor) else _C.as_tensor(list(lengths), dtype=_C.int64)
    if given.device.type != "cpu":
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {given.dim()}D {given.device} tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        given, sorted_indices = _C.sort(given, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    if given.dim() != 1 or input.dim() < 2 or given.size(0) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got lengths of shape "
            f"{list(given.shape)} for an input (time first) of shape {list(input.shape)}"
        )
    counts: list[int] = given.tolist()
    if not counts:
        raise RuntimeError("Cannot pack empty tensors.")
    if min(counts) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if counts != sorted(counts, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement if you do not need ONNX exportability."
        )
    if counts[0] > input.size(0):
        raise RuntimeError(f"a length of {counts[0]} exceeds the {input.size(0)} elements of the input")
    present = _present(given.to(_C.int64), counts[0])
    return PackedSequence(input[: counts[0]][_places(present, input)], present.sum(1), sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The opposite: (T, N, *), or (N, T, *) with ``batch_first``, and the lengths (N).

    T is the longest length, or ``total_length``; ValueError if that is less.
    """
    data, batch_sizes, _, unsorted_indices = sequence
    longest = batch_sizes.size(0)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    present = _C.arange(int(batch_sizes[0])).unsqueeze(0) < batch_sizes.unsqueeze(1)
    lengths = present.sum(0)
    shape = (total_length or longest, present.size(1), *data.shape[1:])
    padded = _C.full(shape, padding_value, dtype=data.dtype, device=data.device)
    padded[_places(present, data)] = data
    if unsorted_indices is not None:
        padded = padded.index_select(1, unsorted_indices)
        lengths = lengths[unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, *) of different lengths as one tensor: (T, N, *), or (N, T, *) with ``batch_first``.

    RuntimeError for a ``padding_side`` other than "left" and "right".
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    rows = list(sequences)
    if not rows:
        raise RuntimeError("received an empty list of sequences")
    longest = max(row.size(0) for row in rows)
    rest = rows[0].shape[1:]
    padded = []
    for row in rows:
        if row.shape[1:] != rest:
            raise RuntimeError(
                f"sequences may differ in their first dim alone, got {list(rows[0].shape)} "
                f"and {list(row.shape)}"
            )
        missing = longest - row.size(0)
        if missing:
            padding = row.new_full((missing, *rest), padding_value)
            row = _C.cat([padding, row] if padding_side == "left" else [row, padding])
        padded.append(row)
    return _C.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` padded, each (L, *)."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L, *); see `pack_padded_sequence`."""
    lengths = _C.as_tensor([row.size(0) for row in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` packed, each (L, *)."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
