"""CIFAR-10 and CIFAR-100: 32×32 colour pictures, in pickles that are read without running what they say."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

from rustnn import _C
from rustnn.datasets.files import missing
from rustnn.datasets.images import Images
from rustnn.utils.safe_pickle import Global, SafeUnpickler, plain_global

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(Images):
    """Pictures of ten classes: ``data`` is a NumPy array (N, 32, 32, 3) uint8, ``targets`` a list of N ints.

    The files of the "python version" lie in ``root/cifar-10-batches-py`` or in ``root`` itself; ``train``
    chooses the 50,000 to learn from or the 10,000 to test with. RuntimeError for files that are missing
    (``download`` cannot help), ValueError for files that are no such batches.
    """

    base_folder = "cifar-10-batches-py"
    _archive = "cifar-10-python.tar.gz"
    _train_files = tuple(f"data_batch_{i}" for i in range(1, 6))
    _test_files = ("test_batch",)
    _meta_file = "batches.meta"
    _labels_key = "labels"
    _names_key = "label_names"

    targets: list[int]

    def __init__(
        self,
        root: str | PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        import numpy as np

        super().__init__(root, transform, target_transform)
        self.train = train
        wanted = self._train_files if train else self._test_files
        folder = Path(root) / self.base_folder
        if not folder.is_dir():
            folder = Path(root)
        if not all((folder / name).is_file() for name in (*wanted, self._meta_file)):
            files = (*wanted, self._meta_file)
            advice = f"Unpack its archive: tar xzf {self._archive} -C {root}"
            raise missing(type(self).__name__, files, Path(root) / self.base_folder, advice)
        meta = folder / self._meta_file
        self.classes = [str(name) for name in _entry(_read(meta), meta, self._names_key, list)]
        parts = []
        self.targets = []
        for name in wanted:
            path = folder / name
            batch = _read(path)
            pixels = _entry(batch, path, "data", np.ndarray)
            labels = _entry(batch, path, self._labels_key, list)
            if pixels.ndim != 2 or pixels.shape[1] != 3072 or pixels.dtype != np.uint8:
                raise ValueError(f"{path}: rows of 3072 bytes expected, found {pixels.dtype} {pixels.shape}")
            if len(labels) != len(pixels):
                raise ValueError(f"{path}: {len(labels)} labels for {len(pixels)} pictures")
            for label in labels:
                if not isinstance(label, (int, np.integer)) or not 0 <= label < len(self.classes):
                    raise ValueError(f"{path}: label {label!r} where 0 to {len(self.classes) - 1} should be")
            parts.append(pixels)
            self.targets += [int(label) for label in labels]
        planes = np.concatenate(parts).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))

    def _image(self, index: int) -> Tensor:
        return _C.from_numpy(self.data[index]).permute(2, 0, 1).contiguous()


class CIFAR100(CIFAR10):
    """Pictures of a hundred classes: ``train``, ``test`` and ``meta`` in ``root/cifar-100-python``."""

    base_folder = "cifar-100-python"
    _archive = "cifar-100-python.tar.gz"
    _train_files = ("train",)
    _test_files = ("test",)
    _meta_file = "meta"
    _labels_key = "fine_labels"
    _names_key = "fine_label_names"


class _Array:
    """An array whose contents come later in the pickle."""

    array: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran else "C")


class _DType:
    """An element type whose byte order comes later in the pickle."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in ("u1", "i1", "b1", "i2", "i4", "i8", "f4", "f8"):
            raise UnpicklingError(f"arrays of {code!r} are not read")
        self.code = code
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", "<", ">", "="):
            raise UnpicklingError(f"{state[1]!r} is no byte order")
        self.order = state[1]


def _array(data: Any, dtype: _DType, shape: Any, order: str) -> Any:
    import numpy as np

    if isinstance(data, str):  # Python 2 wrote bytes as text
        data = data.encode("latin1")
    return np.frombuffer(data, np.dtype(dtype.order + dtype.code)).reshape(
        shape, order="F" if order == "F" else "C"
    )


def _scalar(dtype: _DType, data: Any) -> Any:
    return _array(data, dtype, (), "C")[()]


_NUMPY = {
    "multiarray._reconstruct": Global(None, lambda *_: _Array()),
    "multiarray.scalar": Global(None, _scalar),
    "numeric._frombuffer": Global(None, _array),
    "numpy.ndarray": Global(_Array),
    "numpy.dtype": Global(None, _DType),
}


def _find(module: str, name: str) -> Global | None:
    for core in ("numpy.core.", "numpy._core."):
        module = module.removeprefix(core)
    path = f"{module}.{name}"
    return _NUMPY.get(path) or plain_global(path)


def _refuse(_: Any) -> Any:
    raise UnpicklingError("references to other files are not read")


def _set_state(target: Any, state: Any) -> bool:
    if isinstance(target, (_Array, _DType)):
        target.__setstate__(state)
        return True
    return False


def _read(path: Path) -> dict[str, Any]:
    """The dictionary of a batch; ValueError that names the file if it holds anything else."""
    machine = SafeUnpickler(
        path.read_bytes(),
        _find,
        _refuse,
        _set_state,
        lambda module, name: "has no place in such a file",
        encoding="latin1",
    )
    try:
        contents = machine.load()
    except UnpicklingError as error:
        raise ValueError(f"{path}: not a CIFAR batch, or a damaged one: {error}") from error
    if not isinstance(contents, dict):
        raise ValueError(f"{path}: not a CIFAR batch: it holds a {type(contents).__name__}, not a dict")
    return {
        key.decode("latin1") if isinstance(key, bytes) else str(key): value.array
        if isinstance(value, _Array)
        else value
        for key, value in contents.items()
    }


def _entry(contents: dict[str, Any], path: Path, key: str, kind: type) -> Any:
    if not isinstance(contents.get(key), kind):
        raise ValueError(f"{path}: not a CIFAR batch: no {kind.__name__} {key!r} among {sorted(contents)}")
    value = contents[key]
    if kind is list:
        return [item.decode("latin1") if isinstance(item, bytes) else item for item in value]
    return value
