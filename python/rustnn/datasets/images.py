"""``Images``: the base of the data sets of pictures with one label each."""

from __future__ import annotations

from typing import Any

from rustnn.utils.data import Dataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from rustnn._C import Tensor

__all__ = ["Images"]


class Images(Dataset[Any]):
    """Pairs (image, target): an image is a uint8 tensor (C, H, W), a target an int.

    ``transform`` and ``target_transform`` are applied to each sample as it is taken. A subclass sets ``data``
    and ``targets``, and says in ``_image`` how one image is cut out of ``data``.
    """

    classes: list[str]
    data: Any
    targets: Any

    def __init__(
        self,
        root: str | PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.root = root
        self.transform = transform
        self.target_transform = target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}

    def _image(self, index: int) -> Any:
        image: Tensor = self.data[index]
        return image.unsqueeze(0)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self._image(index), int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        lines.append(f"    Root location: {self.root}")
        if self.transform is not None:
            lines.append(f"    Transform: {self.transform!r}".replace("\n", "\n" + " " * 15))
        return "\n".join(lines)
