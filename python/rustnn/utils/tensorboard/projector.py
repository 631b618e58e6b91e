"""The files that TensorBoard's projector reads: points, labels, and one picture with all the little ones."""

from __future__ import annotations

import math
import os

from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

from rustnn.utils.tensorboard.arrays import make_grid, make_np, scale_to_bytes
from rustnn.utils.tensorboard.media import encode_png

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray


def write_embedding(
    log_dir: str,
    folder: str,
    points: NDArray[Any],
    metadata: Sequence[Any] | None,
    pictures: Any,
    header: Sequence[str] | None,
    name: str,
) -> EmbeddingInfo:
    """Write points (N, D), their labels and their pictures (N, C, H, W) to a folder in `log_dir`."""
    if points.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    if metadata is not None and len(metadata) != len(points):
        raise AssertionError("#labels should equal with #data points")
    if pictures is not None and len(pictures) != len(points):
        raise AssertionError("#images should equal with #data points")
    path = os.path.join(log_dir, folder)
    if os.path.isdir(path):
        print("warning: Embedding dir exists, did you set global_step for add_embedding()?")
    elif os.path.exists(path):
        raise NotADirectoryError(f"Path: `{path}` exists, but is a file. Cannot proceed.")
    os.makedirs(path, exist_ok=True)

    info = EmbeddingInfo(tensor_name=name, tensor_path=f"{folder}/tensors.tsv")
    if metadata is not None:
        _write(os.path.join(path, "metadata.tsv"), _table(metadata, header).encode())
        info.metadata_path = f"{folder}/metadata.tsv"
    if pictures is not None:
        array = make_np(pictures)
        side = math.ceil(math.sqrt(len(array)))
        grid = scale_to_bytes(make_grid(array, side)).transpose(1, 2, 0)
        _write(os.path.join(path, "sprite.png"), encode_png(_square(grid)))
        info.sprite.image_path = f"{folder}/sprite.png"
        info.sprite.single_image_dim.extend([array.shape[3], array.shape[2]])
    rows = ("\t".join(map(repr, row)) + "\n" for row in points.tolist())
    _write(os.path.join(path, "tensors.tsv"), "".join(rows).encode())
    return info


def _table(metadata: Sequence[Any], header: Sequence[str] | None) -> str:
    """One label a line; with a header, one row of columns a line."""
    if not header:
        lines = [str(label) for label in metadata]
    else:
        if len(header) != len(metadata[0]):
            raise AssertionError("len of header must be equal to the number of columns in metadata")
        lines = ["\t".join(map(str, row)) for row in (header, *metadata)]
    return "\n".join(lines) + "\n"


def _square(grid: NDArray[Any]) -> NDArray[Any]:
    """The projector wants as many rows as columns: black ones below."""
    import numpy as np

    height, width, _ = grid.shape
    return np.pad(grid, ((0, max(0, width - height)), (0, 0), (0, 0)))


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
