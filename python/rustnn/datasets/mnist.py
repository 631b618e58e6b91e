"""MNIST and the sets in its format: 28×28 pictures of ten classes, in IDX files."""

from __future__ import annotations

from pathlib import Path

from rustnn import _C
from rustnn.datasets.files import find, missing
from rustnn.datasets.idx import read_idx
from rustnn.datasets.images import Images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]


class MNIST(Images):
    """Handwritten digits: ``data`` (N, 28, 28) uint8, ``targets`` (N) int64; N is 60,000 or 10,000.

    The four files, packed (.gz) or not, lie in ``root``, ``root/MNIST`` or ``root/MNIST/raw``; ``train``
    chooses which two are read. RuntimeError for files that are missing (``download`` cannot help), ValueError
    for files that are no such pictures or labels.
    """

    classes = [  # noqa: RUF012
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]
    _advice = ""

    data: Tensor
    targets: Tensor

    def __init__(
        self,
        root: str | PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        part = "train" if train else "t10k"
        images, labels = self._find(f"{part}-images-idx3-ubyte"), self._find(f"{part}-labels-idx1-ubyte")
        self.data, self.targets = read_idx(images), read_idx(labels).to(_C.int64)
        if self.data.dim() != 3 or self.data.dtype != _C.uint8:
            shape = tuple(self.data.shape)
            raise ValueError(f"{images}: pictures (N, H, W) of bytes expected, but found {shape}")
        if self.targets.shape != self.data.shape[:1]:
            raise ValueError(f"{labels}: {len(self.targets)} labels for the {len(self.data)} of {images}")
        if len(self.targets) and not 0 <= int(self.targets.max()) < len(self.classes):
            raise ValueError(
                f"{labels}: labels go up to {int(self.targets.max())}, beyond the {len(self.classes)} classes"
            )

    @property
    def raw_folder(self) -> str:
        """Where torchvision keeps the files."""
        return str(Path(self.root) / type(self).__name__ / "raw")

    def _find(self, name: str) -> Path:
        raw = Path(self.raw_folder)
        dotted = name.replace("-idx", ".idx")  # how some archives call it
        names = [spelling + suffix for spelling in (name, dotted) for suffix in ("", ".gz")]
        path = find((raw, raw.parent, Path(self.root)), names)
        if path is None:
            raise missing(type(self).__name__, [f"{name} or {name}.gz"], raw, self._advice)
        return path


class FashionMNIST(MNIST):
    """Pictures of clothes; arguments as for ``MNIST``, the folder is ``root/FashionMNIST``."""

    classes = [  # noqa: RUF012
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    _advice = "Debian's package dataset-fashion-mnist has them: root='/usr/share/datasets/fashion-mnist'."


class KMNIST(MNIST):
    """Cursive Japanese characters; arguments as for ``MNIST``, the folder is ``root/KMNIST``."""

    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]  # noqa: RUF012
