"""What all trainings here share: their options, checkpoints to go on from, and when to stop early."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import rustnn as torch
from rustnn import nn


def options(description: str, settings: dict[str, Any], quick: dict[str, Any]) -> argparse.Namespace:
    """The command line: ``settings`` become options with these defaults; ``--quick`` takes those of
    ``quick``.

    Sets the seed, and makes ``device`` a device.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    for name, default in settings.items():
        kind = Path if isinstance(default, Path) else type(default)
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"default: {default}")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same numbers")
    parser.add_argument("--device", type=device, default=torch.device("cpu"), help="cpu, cuda, ...")
    parser.add_argument(
        "--checkpoint", type=Path, help="after every epoch, keep all that is needed to go on here"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--quick", action="store_true", help="a run of seconds, to see that everything works")
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**quick)
    args = parser.parse_args()
    if args.resume and args.checkpoint is None:
        parser.error("--resume needs --checkpoint FILE")
    torch.manual_seed(args.seed)
    return args


def device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Checkpoint:
    """A file with all that a run needs to go on as if it had never stopped.

    That is the state of ``parts`` (models, optimizers, whatever has a ``state_dict``), the epoch, and the
    random stream. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None, **parts: Any) -> None:
        self.path = path
        self.parts = parts

    def save(self, epoch: int) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({**state, "epoch": epoch, "random": torch.get_rng_state()}, self.path)

    def resume(self) -> int:
        """Bring everything back; the number of epochs that are behind."""
        assert self.path is not None
        kept = torch.load(self.path, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        torch.set_rng_state(kept["random"])
        print(f"going on after epoch {kept['epoch']}")
        epoch: int = kept["epoch"]
        return epoch


class EarlyStopping:
    """Notices when the held-out loss has not improved for ``patience`` epochs, and keeps the best weights."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = float("inf")
        self.waited = 0
        self.weights: dict[str, torch.Tensor] = {}

    def enough(self, loss: float, model: nn.Module) -> bool:
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited, self.weights = state["best"], state["waited"], state["weights"]


def picture_grid(images: torch.Tensor, path: Path, columns: int, title: str = "") -> None:
    """Draw pictures (N, 1, H, W) with values in [0, 1] side by side into a file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    count, _, height, width = images.shape
    rows = -(-count // columns)
    sheet = torch.ones(rows * (height + 2), columns * (width + 2))
    for i, image in enumerate(images.cpu()):
        top, left = i // columns * (height + 2), i % columns * (width + 2)
        sheet[top + 1 : top + 1 + height, left + 1 : left + 1 + width] = 1 - image[0]
    figure, axis = plt.subplots(figsize=(columns * 0.7, rows * 0.7 + 0.4), layout="constrained")
    axis.imshow(sheet.numpy(), cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()
    axis.set_title(title, fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"drawn: {path}")
