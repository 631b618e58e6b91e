"""5,000 real handwritten digits, shuffled, as the trainings here want them."""

from __future__ import annotations

import rustnn as torch
from rustnn.datasets import MNIST5k


def read_digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The images (5000, 1, 28, 28), as float32 in [0, 1], and their labels (5000), as int64.

    Shuffled, because the set is sorted by digit.
    """
    try:
        digits = MNIST5k()
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    order = torch.randperm(len(digits))
    # By way of NumPy, with which memory is shared: then any library can take them.
    images = torch.from_numpy(digits.data.numpy())[order].unsqueeze(1).float() / 255
    labels = torch.from_numpy(digits.targets.numpy())[order]
    return images, labels
