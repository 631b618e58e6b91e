"""Whole models: steps of training, and one input at a time."""

from __future__ import annotations

from .case import Case

STEP = "o.zero_grad(); loss = objective(); loss.backward(); o.step()"
LABELS = "y = torch.randint(0, 10, ({0},)); objective = lambda: F.cross_entropy(net(x), y)"

# How the net is built, a batch of inputs, one input, what is minimised.
MODELS = {
    "MLP 784-512-256-10": (
        "net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))",
        "x = torch.randn(64, 784)",
        "x = torch.randn(1, 784)",
        LABELS.format(64),
        "SGD(net.parameters(), lr=1e-2, momentum=0.9)",
    ),
    "MLP 20-64-64-1": (
        "net = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))",
        "x = torch.randn(32, 20)",
        "x = torch.randn(1, 20)",
        "y = torch.randn(32, 1); objective = lambda: F.mse_loss(net(x), y)",
        "Adam(net.parameters(), lr=1e-3)",
    ),
    "the demo's CNN": (
        "net = demo_network()",
        "x = torch.randn(64, 1, 28, 28)",
        "x = torch.randn(1, 1, 28, 28)",
        LABELS.format(64),
        "Adam(net.parameters(), lr=1e-3)",
    ),
    "ResNet-18, 32 x 32": (
        "net = model('resnet').resnet18(10)",
        "x = torch.randn(16, 3, 32, 32)",
        "x = torch.randn(1, 3, 32, 32)",
        LABELS.format(16),
        "SGD(net.parameters(), lr=1e-3, momentum=0.9)",
    ),
    "character GPT": (
        "net = model('gpt').GPT(65, 64, 128, 4, 4)",
        "x = torch.randint(0, 65, (16, 64))",
        "x = torch.randint(0, 65, (1, 64))",
        "y = torch.randint(0, 65, (1024,)); objective = lambda: F.cross_entropy(net(x).flatten(0, 1), y)",
        "AdamW(net.parameters(), lr=1e-3)",
    ),
    "LSTM language model": (
        "net = model('lstm_language_model').LSTMLanguageModel(65, 128, 2, 0.0)",
        "x = torch.randint(0, 65, (32, 64))",
        "x = torch.randint(0, 65, (1, 64))",
        "y = torch.randint(0, 65, (2048,)); objective = lambda: F.cross_entropy(net(x)[0].flatten(0, 1), y)",
        "Adam(net.parameters(), lr=1e-3)",
    ),
    "VAE 784-400-20": (
        "net = model('vae').VAE()",
        "x = torch.rand(128, 784)",
        "x = torch.rand(1, 784)",
        "objective = lambda: net.loss(*net(x), x)",
        "Adam(net.parameters(), lr=1e-3)",
    ),
    "convolutional autoencoder": (
        "net = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),\n"
        "    nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid())",
        "x = torch.rand(64, 1, 28, 28)",
        "x = torch.rand(1, 1, 28, 28)",
        "objective = lambda: F.mse_loss(net(x), x)",
        "Adam(net.parameters(), lr=1e-3)",
    ),
}


def training() -> list[Case]:
    found = []
    for name, (net, batch, _, objective, optimizer) in MODELS.items():
        setup = f"{net}\n{batch}; {objective}; o = optim.{optimizer}"
        # Codes of the VAE are drawn, by numbers that differ in their last bit.
        result = "objective().detach() / x.numel()" if "VAE" in name else "objective().detach()"
        found.append(Case(f"{name}, training step", 1.2, setup, STEP, result))
    return found


def inference() -> list[Case]:
    larger = (
        "net = model('resnet').resnet18()",
        "",
        "x = torch.randn(1, 3, 224, 224)",
    )
    found = []
    for name, (net, _, one, *_) in {**MODELS, "ResNet-18, 224 x 224": larger}.items():
        setup = f"{net}\n{one}; net.eval().requires_grad_(False); first = lambda y: y[0] if isinstance(y, tuple) else y"
        result = "first(net(x)).flatten()[:10] * 0" if "VAE" in name else "first(net(x)).flatten()[:10]"
        found.append(Case(f"{name}, batch of 1", 1.2, setup, "net(x)", result))
    return found


TRAINING = training()
INFERENCE = inference()
