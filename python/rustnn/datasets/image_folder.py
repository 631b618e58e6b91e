"""``ImageFolder``: pictures in folders, one folder a class."""

from __future__ import annotations

import os
from pathlib import Path

from rustnn import _C
from rustnn.datasets.images import Images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["IMG_EXTENSIONS", "ImageFolder", "load_image"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("reading picture files needs Pillow: pip install pillow") from error
    return Image


def load_image(path: str | PathLike[str]) -> Tensor:
    """A picture file as a uint8 tensor (3, H, W); ValueError, with its name, for what is no picture.

    ImportError where Pillow is not installed.
    """
    import numpy as np

    image_module = _pillow()
    try:
        with image_module.open(path) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, image_module.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{os.fspath(path)}: the picture cannot be read: {error}") from error
    return _C.from_numpy(pixels.transpose(2, 0, 1).copy())


class ImageFolder(Images):
    """Pictures (3, H, W) under ``root/CLASS/...``; the classes are the names of the folders, sorted.

    ``loader`` makes a sample of a path, ``is_valid_file`` says which files count (instead of the usual
    endings), ``allow_empty`` lets a class have none. ``samples`` holds the pairs (path, class). ImportError
    without Pillow (unless there is a loader), FileNotFoundError for no folder, no classes, or a class without
    pictures.
    """

    data: list[tuple[str, int]]
    targets: list[int]

    def __init__(
        self,
        root: str | PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        if loader is None:
            _pillow()
            loader = load_image
        self.loader = loader
        self.classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(
                f"Couldn't find any class folder in {root}: put the pictures in {root}/CLASS/."
            )
        valid = is_valid_file or (lambda path: path.lower().endswith(IMG_EXTENSIONS))
        self.samples: list[tuple[str, int]] = []
        empty = []
        for number, name in enumerate(self.classes):
            before = len(self.samples)
            for folder, _, files in sorted(os.walk(Path(root) / name, followlinks=True)):
                paths = (os.path.join(folder, file) for file in sorted(files))
                self.samples += [(path, number) for path in paths if valid(path)]
            if len(self.samples) == before:
                empty.append(name)
        if empty and not allow_empty:
            message = f"Found no valid file for the classes {', '.join(empty)}."
            if is_valid_file is None:
                message += f" Supported extensions are: {', '.join(IMG_EXTENSIONS)}"
            raise FileNotFoundError(f"{message} (in {root})")
        self.imgs = self.data = self.samples
        self.targets = [number for _, number in self.samples]

    def _image(self, index: int) -> Any:
        return self.loader(self.samples[index][0])
