"""The models of `examples/models`, built with both libraries: weights, outputs, ten steps of training.

The same file is read for both; for PyTorch the name of the library is exchanged in its text.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parity.compare import compare
from parity.programs import CANDIDATE, REFERENCE

MODELS = Path(__file__).parents[2] / "examples" / "models"

# File, how it is built, what goes in, the loss of the output.
CASES = [
    ("lenet", "LeNet()", "rand(4, 1, 28, 28)", "cross_entropy(y, classes(4, 10))"),
    ("resnet", "resnet18(5, width=4)", "rand(4, 3, 40, 40)", "cross_entropy(y, classes(4, 5))"),
    ("resnet", "resnet50(5, width=4)", "rand(4, 3, 40, 40)", "cross_entropy(y, classes(4, 5))"),
    ("vgg", "VGG(11, 5, width=2, dropout=0)", "rand(2, 3, 32, 32)", "cross_entropy(y, classes(2, 5))"),
    ("mobilenet_v2", "MobileNetV2(5, 0.25, 0)", "rand(4, 3, 40, 40)", "cross_entropy(y, classes(4, 5))"),
    ("unet", "UNet(1, 2, width=4, depth=2)", "rand(2, 1, 16, 16)", "cross_entropy(y, classes(2, 2, 16, 16))"),
    (
        "lstm_language_model",
        "LSTMLanguageModel(11, 8, dropout=0)",
        "classes(3, 11, 6)",
        "cross_entropy(y[0].flatten(0, 1), classes(18, 11))",
    ),
    ("gpt", "GPT(11, 8, 16, 2, 2)", "classes(3, 11, 8)", "cross_entropy(y.flatten(0, 1), classes(24, 11))"),
    ("vit", "ViT(16, 8, 5, 16, 2, 2, dropout=0)", "rand(3, 3, 16, 16)", "cross_entropy(y, classes(3, 5))"),
    ("vae", "VAE(12, 8, 3)", "rand(4, 12)", "model.loss(*y, x) / 100"),
    ("dcgan", "Generator(8, 2)", "rand(2, 8, 1, 1)", "(y * y).mean()"),
    (
        "dcgan",
        "Discriminator(4)",
        "rand(4, 3, 64, 64)",
        "binary_cross_entropy_with_logits(y, rand(4).round())",
    ),
]


def load(name: str, library: ModuleType) -> dict[str, Any]:
    """The names of a model's file, written in terms of the library."""
    text = (MODELS / f"{name}.py").read_text(encoding="utf-8")
    if library is REFERENCE:
        text = text.replace("import rustnn as torch", "import torch").replace("rustnn", "torch")
    names: dict[str, Any] = {"__name__": f"models.{name}"}
    exec(compile(text, f"{name}.py", "exec"), names)
    return names


def train(
    name: str, build: str, data: str, loss: str, library: Any, weights: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Ten steps, and what is seen on the way: in float64, as batch normalisation of few values is chaotic."""
    library.manual_seed(0)
    model = eval(build, load(name, library))
    start = {key: value.clone() for key, value in model.state_dict().items()}

    def classes(rows: int, count: int, *more: int) -> Any:
        return library.randint(0, count, (rows, *more))

    names = {
        **vars(library.nn.functional),
        "rand": lambda *sizes: library.rand(*sizes, dtype=library.float64),
        "classes": classes,
        "model": model,
    }
    if weights is not None:  # the last bit of normal draws is not the same
        model.load_state_dict({key: library.from_numpy(value) for key, value in weights.items()})
    model.double()
    x = eval(data, names)
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses, norms = [], []
    for _ in range(10):
        library.manual_seed(1)
        optimizer.zero_grad()
        value = eval(loss, {**names, "x": x, "y": model(x)})
        value.backward()
        norms.append(library.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        losses.append(value.detach())
        optimizer.step()
    model.eval()
    library.manual_seed(2)
    with library.no_grad():
        output = model(x)
    return {"start": start, "losses": losses, "norms": norms, "output": output, "end": model.state_dict()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_model(case: tuple[str, str, str, str]) -> None:
    theirs = train(*case, REFERENCE)
    ours = train(*case, CANDIDATE, {key: value.numpy() for key, value in theirs["start"].items()})
    compare(dict(ours["start"]), dict(theirs["start"]), "start", rtol=1e-6, atol=1e-7, strides=False)
    for part in ("losses", "norms", "output"):
        compare(ours[part], theirs[part], part, rtol=1e-5, atol=1e-7, strides=False)
    compare(dict(ours["end"]), dict(theirs["end"]), "end", rtol=1e-4, atol=1e-6, strides=False)


def test_generation() -> None:
    def generated(library: Any) -> Any:
        library.manual_seed(3)
        model = load("gpt", library)["GPT"](11, 8, 16, 2, 1)
        return model.generate(library.tensor([[1, 2, 3]]), 12)

    compare(generated(CANDIDATE), generated(REFERENCE), "tokens")
