"""Train a small convolutional network on real handwritten digits: what `make demo` runs.

5,000 images of the MNIST set, 4,000 to learn from and 1,000 held out. The script trains, saves the
weights, loads them into a fresh network and shows that nothing was lost, then draws the loss curve and
some digits with the network's answers into demo/.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from digit_images import read_digits
from running import Checkpoint, EarlyStopping, options
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils.data import DataLoader, TensorDataset

SETTINGS = {
    "epochs": 6,
    "batch": 64,
    "rate": 3e-3,
    "dropout": 0.25,
    "patience": 3,
    "out": Path("demo"),
}
QUICK = {"epochs": 2, "batch": 16, "dropout": 0.0}


def block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Look at 3x3 neighbourhoods, normalise, keep what is positive, halve the picture."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class Net(nn.Module):
    """Three blocks take a picture from 28x28 to 3x3 with 64 channels, a linear layer from there to 10."""

    def __init__(self, dropout: float = 0.25) -> None:
        super().__init__()
        self.features = nn.Sequential(block(1, 16), block(16, 32), block(32, 64))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64 * 3 * 3, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.classifier(self.features(x))
        return out


def judge(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """The loss on these images, and the share whose most likely digit is the label."""
    model.eval()
    with torch.no_grad():
        scores = model(images)
    loss: float = nn.functional.cross_entropy(scores, labels).item()
    share: float = (scores.argmax(dim=1) == labels).float().mean().item()
    return loss, share


def draw(
    losses: list[float], model: nn.Module, images: torch.Tensor, labels: torch.Tensor, path: Path
) -> None:
    """A picture: the loss at every step on the left, digits with the network's answers on the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    blue, red, grey = "#3465a4", "#cc3311", "#888888"
    device = next(model.parameters()).device
    with torch.no_grad():
        guesses = model(images.to(device)).argmax(dim=1).cpu()
    wrong = [i for i, (g, y) in enumerate(zip(guesses.tolist(), labels.tolist(), strict=True)) if g != y]
    right = [i for i in range(len(labels)) if i not in set(wrong)]
    shown = wrong[:8]
    shown = right[: 32 - len(shown)] + shown

    figure = plt.figure(figsize=(12, 4.6), layout="constrained")
    left, middle = figure.subfigures(1, 2, width_ratios=[1, 1.25], wspace=0.05)
    axis = left.subplots()
    window = min(20, len(losses))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axis.plot(losses, color=blue, alpha=0.25, linewidth=1)
    axis.plot(np.arange(window - 1, len(losses)), smooth, color=blue, linewidth=2)
    axis.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Training loss")
    axis.grid(True, which="major", color=grey, alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)

    tiles = middle.subplots(4, 8).ravel()
    for tile, i in zip(tiles, shown, strict=False):
        guess, label = int(guesses[i].item()), int(labels[i].item())
        tile.imshow(images[i, 0].numpy(), cmap="gray_r")
        colour = "black" if guess == label else red
        tile.set_title(str(guess) if guess == label else f"{guess} (is {label})", color=colour, fontsize=10)
        tile.set(xticks=[], yticks=[])
        tile.spines[:].set_color(grey if guess == label else red)
    middle.suptitle(
        f"Held-out digits: {len(right)} of {len(labels)} right, some mistakes in red", fontsize=12
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    started = time.perf_counter()
    images, labels = read_digits()
    if args.quick:
        images, labels = images[:500], labels[:500]
    images = (images - 0.1307) / 0.3081  # around zero
    border = len(images) // 5
    held_images, held_labels = images[:border].to(args.device), labels[:border].to(args.device)
    loader = DataLoader(TensorDataset(images[border:], labels[border:]), args.batch, shuffle=True)
    seconds = time.perf_counter() - started
    print(f"{len(images) - border} digits to learn from, {border} held out; read in {seconds:.1f} s")

    model = Net(args.dropout).to(args.device)
    print(model)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.rate)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(args.checkpoint, model=model, optimizer=optimizer, stopping=stopping)
    first = checkpoint.resume() + 1 if args.resume else 1
    losses: list[float] = []
    started = time.perf_counter()
    for epoch in range(first, args.epochs + 1):
        if epoch == args.epochs:  # small steps at the end, to settle
            for group in optimizer.param_groups:
                group["lr"] = args.rate / 10
        model.train()
        for x, y in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            optimizer.zero_grad()
            loss = criterion(model(x.to(args.device)), y.to(args.device))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        mean = sum(losses[-len(loader) :]) / len(loader)
        held_loss, right = judge(model, held_images, held_labels)
        print(f"epoch {epoch}/{args.epochs}   loss {mean:.4f}   held out {right:.1%}, loss {held_loss:.4f}")
        done = stopping.enough(held_loss, model)
        checkpoint.save(epoch)
        if done:
            print(f"no better for {args.patience} epochs: enough")
            break
    print(f"trained in {time.perf_counter() - started:.1f} s")
    model.load_state_dict(stopping.weights)

    args.out.mkdir(parents=True, exist_ok=True)
    weights = args.out / "mnist.pth"
    torch.save(model.state_dict(), weights)
    fresh = Net(args.dropout).to(args.device)
    before = judge(fresh, held_images, held_labels)[1]
    fresh.load_state_dict(torch.load(weights))
    after = judge(fresh, held_images, held_labels)[1]
    trained = judge(model, held_images, held_labels)[1]
    print(f"saved {weights}; a fresh network knows {before:.1%}, with the saved weights {after:.1%}")
    if after != trained:
        raise SystemExit(f"the weights did not survive: {trained:.1%} before, {after:.1%} after")

    if losses:
        picture = args.out / "mnist.png"
        draw(losses, model, held_images.cpu(), held_labels.cpu(), picture)
        print(f"loss curve and digits: {picture}")


if __name__ == "__main__":
    main()
