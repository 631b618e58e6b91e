"""Storages with a dtype: the memory under a tensor as numbers.

``TypedStorage`` is a look at an ``UntypedStorage``; ``FloatStorage`` and its like are the same of one dtype.
"""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor, UntypedStorage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, ClassVar

__all__ = ["TypedStorage", "UntypedStorage"]


def mapped_file(filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
    """The first ``nbytes`` bytes of a file (by default all), mapped: pages come when they are touched.

    Writes go to the file if ``shared``, which is made, or made longer, where that is needed; else they
    stay in memory. RuntimeError where the file is shorter or cannot be opened.
    """
    import mmap
    import os

    try:
        descriptor = os.open(filename, os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY)
    except OSError as error:
        raise RuntimeError(
            f"unable to open file <{filename}> in {'read-write' if shared else 'read-only'} mode: "
            f"{error.strerror} ({error.errno})"
        ) from None
    try:
        size = os.fstat(descriptor).st_size
        if nbytes > size:
            if not shared:
                raise RuntimeError(
                    f"file <{filename}> size <{size}> is smaller than the required mapping size <{nbytes}>"
                )
            os.ftruncate(descriptor, nbytes)
        if not (nbytes or size):
            return UntypedStorage(0)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        memory = mmap.mmap(descriptor, nbytes, access=access)
    finally:
        os.close(descriptor)
    return _C.frombuffer(memory, dtype=_C.uint8).untyped_storage()


def part(storage: UntypedStorage, index: slice) -> UntypedStorage:
    """The bytes of a slice, in the same memory. RuntimeError for a step."""
    start, stop, step = index.indices(len(storage))
    if step != 1:
        raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
    if stop <= start:
        return UntypedStorage(0)
    return _C.frombuffer(memoryview(storage)[start:stop], dtype=_C.uint8).untyped_storage()


def _warn_of_removal() -> None:
    from rustnn.once import warn_once

    warn_once(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only "
        "storage class. This should only matter to you if you are using storages directly.  To access "
        "UntypedStorage directly, use tensor.untyped_storage() instead of tensor.storage()",
        stacklevel=3,
    )


class TypedStorage:
    """Numbers of one dtype in memory that tensors share.

    ``TypedStorage(n, dtype=...)`` is fresh memory for n numbers, ``TypedStorage([1.0, 2.0], dtype=...)``
    holds numbers, ``wrap_storage=`` takes an ``UntypedStorage``. TypeError for other contents.
    """

    #: Set by the classes of one dtype.
    _own_dtype: ClassVar[_C.dtype | None] = None

    def __init__(
        self,
        content: int | Sequence[Any] | None = None,
        *,
        wrap_storage: UntypedStorage | None = None,
        dtype: _C.dtype | None = None,
        device: Any = None,
    ) -> None:
        kind = dtype or self._own_dtype or _C.get_default_dtype()
        if wrap_storage is not None:
            if content is not None:
                raise RuntimeError("No positional arguments should be given when using 'wrap_storage'")
            if not isinstance(wrap_storage, UntypedStorage):
                raise TypeError(
                    f"Argument 'wrap_storage' must be UntypedStorage, not {type(wrap_storage).__name__}"
                )
            self._untyped_storage = wrap_storage
            self.dtype = kind
            return
        _warn_of_removal()
        if content is None or isinstance(content, int):
            self._untyped_storage = UntypedStorage((content or 0) * kind.itemsize, device=device)
        else:
            self._untyped_storage = _C.tensor(content, dtype=kind, device=device).untyped_storage()
        self.dtype = kind

    @property
    def _numbers(self) -> Tensor:
        size = self.size()
        return _C._tensor_over(self._untyped_storage, self.dtype, 0, [size], [1])

    @property
    def device(self) -> _C.device:
        """Where the memory is."""
        return self._untyped_storage.device

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is that of a GPU."""
        return False

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def size(self) -> int:
        """How many numbers there are."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    def __len__(self) -> int:
        return self.size()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes of a number."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first number."""
        return self._untyped_storage.data_ptr()

    def is_shared(self) -> bool:
        """Whether processes forked later see the same memory."""
        return self._untyped_storage.is_shared()

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is page-locked."""
        return self._untyped_storage.is_pinned()

    def pin_memory(self, device: Any = None) -> TypedStorage:
        """The numbers in page-locked memory. RuntimeError without a GPU."""
        return TypedStorage(wrap_storage=self._untyped_storage.pin_memory(), dtype=self.dtype)

    def tolist(self) -> list[Any]:
        """The numbers in a list."""
        numbers: list[Any] = self._numbers.tolist()
        return numbers

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        if not isinstance(index, int):
            raise TypeError(f"can't index a {type(self).__name__} with {type(index).__name__}")
        self._check(index)
        return self._numbers[index].item()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, int):
            self._check(index)
        self._numbers[index] = value

    def _check(self, index: int) -> None:
        if not -self.size() <= index < self.size():
            raise IndexError(f"index {index} out of range for storage of size {self.size()}")

    def fill_(self, value: Any) -> TypedStorage:
        """Overwrites every number."""
        self._numbers.fill_(value)
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool | None = None) -> TypedStorage:
        """Overwrites the numbers with those of a storage of the same size, converted."""
        if source.size() != self.size():
            raise RuntimeError(f"storages of {self.size()} and {source.size()} numbers cannot be copied")
        self._numbers.copy_(source._numbers, bool(non_blocking))
        return self

    def clone(self) -> TypedStorage:
        """A copy with memory of its own."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def cpu(self) -> TypedStorage:
        """Itself: the memory is on the CPU."""
        return self

    def type(self, dtype: _C.dtype | None = None) -> Any:
        """The name of the type, or the numbers converted to a dtype."""
        if dtype is None:
            return f"torch.{_C.empty(0, dtype=self.dtype).type()[6:-6]}Storage"
        return self._to(dtype)

    def _to(self, dtype: _C.dtype) -> TypedStorage:
        if dtype == self.dtype:
            return self
        return TypedStorage(wrap_storage=self._numbers.to(dtype).untyped_storage(), dtype=dtype)

    def float(self) -> TypedStorage:
        """Converted to float32."""
        return self._to(_C.float32)

    def double(self) -> TypedStorage:
        """Converted to float64."""
        return self._to(_C.float64)

    def half(self) -> TypedStorage:
        """Converted to float16."""
        return self._to(_C.float16)

    def long(self) -> TypedStorage:
        """Converted to int64."""
        return self._to(_C.int64)

    def int(self) -> TypedStorage:
        """Converted to int32."""
        return self._to(_C.int32)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.data_ptr() == other.data_ptr() and self.dtype == other.dtype

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        numbers = "".join(f" {number}\n" for number in self.tolist())
        name = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{numbers}[{name} of size {self.size()}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_storage, (self._untyped_storage, self.dtype)


def _rebuild_storage(untyped: UntypedStorage, dtype: _C.dtype) -> TypedStorage:
    """What a pickle calls to make a storage again."""
    return TypedStorage(wrap_storage=untyped, dtype=dtype)


def typed_storage(tensor: Tensor) -> TypedStorage:
    """What ``tensor.storage()`` gives."""
    _warn_of_removal()
    return TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype)


def _storage_class(name: str, dtype: _C.dtype) -> type[TypedStorage]:
    doc = f"``TypedStorage`` of dtype {dtype}."
    return type(name, (TypedStorage,), {"_own_dtype": dtype, "__module__": "rustnn", "__doc__": doc})


FloatStorage = _storage_class("FloatStorage", _C.float32)
DoubleStorage = _storage_class("DoubleStorage", _C.float64)
HalfStorage = _storage_class("HalfStorage", _C.float16)
BFloat16Storage = _storage_class("BFloat16Storage", _C.bfloat16)
ByteStorage = _storage_class("ByteStorage", _C.uint8)
CharStorage = _storage_class("CharStorage", _C.int8)
ShortStorage = _storage_class("ShortStorage", _C.int16)
IntStorage = _storage_class("IntStorage", _C.int32)
LongStorage = _storage_class("LongStorage", _C.int64)
BoolStorage = _storage_class("BoolStorage", _C.bool)
ComplexFloatStorage = _storage_class("ComplexFloatStorage", _C.complex64)
ComplexDoubleStorage = _storage_class("ComplexDoubleStorage", _C.complex128)
Storage = FloatStorage
