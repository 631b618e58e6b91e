"""What a training run looks like, for TensorBoard: `SummaryWriter` writes it, `tensorboard --logdir runs`
shows it.

Needs the package `tensorboard` (`pip install rustnn[tensorboard]`); pictures with boxes or rescaled, and
videos, need `pillow` too, figures `matplotlib`.
"""

from __future__ import annotations

try:
    import tensorboard.compat.proto.event_pb2
except ImportError as error:
    raise ImportError(
        "rustnn.utils.tensorboard needs the package 'tensorboard': "
        "pip install tensorboard, or pip install rustnn[tensorboard]"
    ) from error

from rustnn.utils.tensorboard.writer import FileWriter, SummaryWriter

del tensorboard
__all__ = ["FileWriter", "SummaryWriter"]
