"""What is measured against PyTorch: a table of cases, each a few lines of Python that either library runs.

A case has a setup, a statement that is timed, and an expression whose value both must agree on; it is
evaluated on a fresh setup, so that no number of timed steps shows in it. `goal` is the ratio aimed at:
PyTorch's time over ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

DEMO = Path(__file__).parents[2] / "examples" / "mnist.py"


@dataclass(frozen=True)
class Case:
    name: str
    goal: float
    setup: str
    statement: str
    result: str


def small_ops() -> list[Case]:
    """One operation on eight floats: nothing but the way from Python to the kernel and back."""
    cases = []
    for recording in (False, True):
        setup = "x = torch.randn(8); y = torch.randn(8)"
        if recording:
            setup += "; x.requires_grad_(); y.requires_grad_()"
        for statement in ("x + y", "x * 2", "x.relu()", "x.view(2, 4)", "x.sum()"):
            name = f"{statement}, 8 floats" + (", recorded" if recording else "")
            cases.append(Case(name, 3, setup, statement, f"({statement}).detach()"))
    return cases


# Each optimizer, and the ratio aimed at over many small tensors.
OPTIMIZERS = {
    "SGD(p, lr=1e-3)": 2,
    "SGD(p, lr=1e-3, momentum=0.9)": 10,
    "Adam(p, lr=1e-3)": 10,
    "Adam(p, lr=1e-3, amsgrad=True)": 2,
    "AdamW(p)": 2,
    "NAdam(p)": 2,
    "RAdam(p)": 2,
    "Adamax(p)": 2,
    "Adagrad(p)": 2,
    "Adadelta(p)": 2,
    "RMSprop(p)": 2,
    "RMSprop(p, momentum=0.9, centered=True)": 2,
    "Rprop(p)": 2,
    "ASGD(p)": 2,
    "Adafactor(p)": 2,
    "Muon(p)": 2,
}


def optimizer_steps(*, large: bool) -> list[Case]:
    """Steps over 50 small tensors, or over one of 10 million elements; of matrices where only those count."""
    cases = []
    for call, goal in OPTIMIZERS.items():
        count, shape = (1, "10_000_000") if large else (50, "16")
        if call.startswith(("Muon", "Adafactor")):
            shape = ("256, 256" if call.startswith("Muon") else "2000, 2000") if large else "4, 4"
        sizes = shape.replace(", ", " x ").replace("_", "")
        setup = (
            f"p = [torch.randn({shape}).requires_grad_() for _ in range({count})]\n"
            f"for v in p: v.grad = torch.randn({shape})\no = optim.{call}"
        )
        name = f"{call} over {f'{count} tensors of ' if count > 1 else ''}{sizes}"
        # Muon is a matter of bfloat16: the state is compared, which is not.
        result = "(o.step(), p[-1].detach()[:99])[1]"
        if call.startswith("Muon"):
            result = '(o.step(), o.state[p[-1]]["momentum_buffer"])[1]'
        cases.append(Case(name, 2 if large else goal, setup, "o.step()", result))
    return cases


STEP = "o.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()\no.step()"

SMALL = [
    Case(
        "Linear(8, 8) forward and backward",
        3,
        "net = nn.Linear(8, 8); x = torch.randn(4, 8)",
        "net(x).sum().backward()",
        "(net(x).sum().backward(), net.weight.grad)[1]",
    ),
    Case(
        "three nested Sequentials, forward",
        3,
        "block = lambda inner: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), inner)\n"
        "net = block(block(block(nn.Tanh()))); x = torch.randn(4, 8)",
        "net(x)",
        "net(x).detach()",
    ),
    Case(
        "2-16-1 network, batch 4, Adam step",
        3,
        "net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))\n"
        "x = torch.randn(4, 2); y = torch.randn(4, 1)\n"
        "criterion = nn.MSELoss(); o = optim.Adam(net.parameters(), lr=1e-3)",
        STEP,
        "(criterion(net(x), y).backward(), o.step(), net[0].weight.detach())[2]",
    ),
]

LARGE = [
    *(
        Case(
            f"matrix product {n} x {n} x {n}",
            1,
            f"a = torch.randn({n}, {n}); b = torch.randn({n}, {n})",
            "a @ b",
            "(a @ b)[:2, :8]",
        )
        for n in (256, 512, 1024, 2048)
    ),
    Case(
        "the demo's CNN, batch 64, Adam step",
        1,
        "net = demo_network(); x = torch.randn(64, 1, 28, 28); y = torch.randint(0, 10, (64,))\n"
        "criterion = nn.CrossEntropyLoss(); o = optim.Adam(net.parameters(), lr=1e-3)",
        STEP,
        "net.eval()(x[:4]).detach()",
    ),
    Case(
        "MLP 784-512-256-10, batch 64, SGD step",
        1,
        "net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))\n"
        "x = torch.randn(64, 784); y = torch.randint(0, 10, (64,))\n"
        "criterion = nn.CrossEntropyLoss(); o = optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)",
        STEP,
        "(criterion(net(x), y).backward(), o.step(), net(x[:4]).detach())[2]",
    ),
]

IMAGES = "x = torch.randn(8, 16, 32, 32, requires_grad=True)"
SEQUENCE = "x = torch.randn(8, 64, 128, requires_grad=True)"
CLASSES = "x = torch.randn(512, 100, requires_grad=True)"
ROWS = "x = torch.randn(512, 256, requires_grad=True)"


def layers() -> list[Case]:
    """Forward and backward of layers in sizes that models have. None should be slower by more than half."""
    table = {
        "nn.Linear(128, 384)": "x = torch.randn(512, 128, requires_grad=True)",
        "nn.Bilinear(32, 24, 16)": "x = torch.randn(128, 32, requires_grad=True), torch.randn(128, 24)",
        "nn.Conv1d(16, 32, 3, padding=1)": "x = torch.randn(8, 16, 128, requires_grad=True)",
        "nn.Conv2d(16, 32, 3, padding=1)": IMAGES,
        "nn.Conv2d(16, 32, 3, stride=2, padding=1)": IMAGES,
        "nn.Conv2d(16, 16, 3, padding=1, groups=16)": IMAGES,
        "nn.Conv2d(16, 64, 1)": IMAGES,
        "nn.Conv3d(4, 8, 3, padding=1)": "x = torch.randn(2, 4, 8, 16, 16, requires_grad=True)",
        "nn.ConvTranspose2d(16, 32, 4, 2, 1)": "x = torch.randn(4, 16, 16, 16, requires_grad=True)",
        "nn.MaxPool2d(2)": IMAGES,
        "nn.AvgPool2d(2)": IMAGES,
        "nn.AdaptiveAvgPool2d(4)": IMAGES,
        "nn.Upsample(scale_factor=2)": IMAGES,
        "nn.Upsample(scale_factor=2, mode='bilinear')": IMAGES,
        "nn.Upsample(scale_factor=2, mode='bicubic')": IMAGES,
        "nn.ReflectionPad2d(2)": IMAGES,
        "nn.PixelShuffle(2)": IMAGES,
        "nn.Unfold(3, padding=1)": IMAGES,
        "nn.BatchNorm2d(16)": IMAGES,
        "nn.InstanceNorm2d(16, affine=True)": IMAGES,
        "nn.GroupNorm(4, 16)": IMAGES,
        "nn.LocalResponseNorm(5)": IMAGES,
        "nn.LayerNorm(256)": ROWS,
        "nn.RMSNorm(256)": ROWS,
        "nn.Dropout(0.1)": ROWS,
        "nn.GELU()": ROWS,
        "nn.SiLU()": ROWS,
        "nn.Softmax(-1)": ROWS,
        "nn.PReLU(16)": IMAGES,
        "nn.Embedding(1000, 64)": "x = torch.randint(0, 1000, (32, 64))",
        "nn.EmbeddingBag(1000, 64)": "x = torch.randint(0, 1000, (32, 64))",
        "nn.CrossEntropyLoss()": f"{CLASSES}, torch.randint(0, 100, (512,))",
        "nn.BCEWithLogitsLoss()": f"{CLASSES}, torch.rand(512, 100)",
        "nn.SmoothL1Loss()": f"{CLASSES}, torch.rand(512, 100)",
        "nn.CTCLoss()": "x = torch.randn(50, 8, 20, requires_grad=True), torch.randint(1, 20, (8, 10)), "
        "torch.full((8,), 50), torch.full((8,), 10)",
        "nn.RNN(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.GRU(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.LSTM(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.LSTMCell(64, 128)": "x = torch.randn(32, 64)",
        "nn.MultiheadAttention(128, 4, batch_first=True)": f"{SEQUENCE}; x = x, x, x",
        "nn.TransformerEncoderLayer(128, 4, 256, 0.0, batch_first=True)": SEQUENCE,
    }
    sampling = "x = torch.randn(8, 16, 32, 32, requires_grad=True); g = torch.rand(8, 32, 32, 2)"
    sample = "torch.nn.functional.grid_sample(x, g.mul(2).sub_(1), align_corners=False)"
    first = "first = lambda y: y[0] if isinstance(y, tuple) else y"
    arguments = "x = x if isinstance(x, tuple) else (x,)"
    return [
        Case(
            layer,
            0.67,
            f"layer = {layer}; {data}; {arguments}; {first}",
            "first(layer(*x)).sum().backward()",
            "layer.eval() and first(layer(*x)).detach()",
        )
        for layer, data in table.items()
    ] + [
        Case("grid_sample", 0.67, sampling, f"{sample}.sum().backward()", f"{sample}.detach()"),
        Case(
            "grid_sample, the grid's gradient too",
            0.67,
            f"{sampling}; g.requires_grad_()",
            f"{sample}.sum().backward()",
            f"{sample}.detach()",
        ),
    ]


MODULE = [
    Case(
        "nn.Module.__call__",
        2,
        "class Pass(nn.Module):\n    def forward(self, x): return x\nm = Pass(); x = torch.zeros(2)",
        "m(x)",
        "m(x)",
    ),
    Case("a parameter as an attribute", 1, "m = nn.Linear(2, 2)", "m.weight", "m.weight.detach()"),
    Case("a module of a Sequential", 1, "m = nn.Sequential(nn.ReLU()); x = torch.ones(2)", "m[0]", "m[0](x)"),
]

ROWS_OF_DIGITS = """
D = torch.utils.data
images = torch.randn({n}, 784); labels = torch.randint(0, 10, ({n},))
class Rows(D.Dataset):
    def __len__(self): return len(images)
    def __getitem__(self, i): return images[i], int(labels[i])
"""

# A whole epoch, but for the last.
DATA = [
    Case(
        "DataLoader: tensors 60000 x 784, batch 64, shuffled",
        5,
        ROWS_OF_DIGITS.format(n=60000)
        + "loader = D.DataLoader(D.TensorDataset(images, labels), 64, shuffle=True)",
        "for batch in loader: pass",
        "next(iter(loader))[0][:4, :8]",
    ),
    Case(
        "DataLoader: 6400 Python samples, batch 64, 2 workers",
        1,
        ROWS_OF_DIGITS.format(n=6400)
        + "loader = D.DataLoader(Rows(), 64, shuffle=True, num_workers=2, multiprocessing_context='fork')",
        "for batch in loader: pass",
        "next(iter(loader))[0][:4, :8]",
    ),
    Case(
        "DataLoader: first batch of an epoch, 4 forked workers",
        2,
        ROWS_OF_DIGITS.format(n=6400) + "import warnings; warnings.simplefilter('ignore')\n"
        "loader = D.DataLoader(Rows(), 64, shuffle=True, num_workers=4, multiprocessing_context='fork')",
        "next(iter(loader))",
        "next(iter(loader))[0][:4, :8]",
    ),
]

WEIGHTS = (
    "import os, tempfile\npath = os.path.join(tempfile.gettempdir(), f'bench-{torch.__name__}.pth')\n"
    "w = {'w': torch.arange(12_500_000.0), 'n': 3}; torch.save(w, path)"
)

FILES = [
    Case("save of 50 MB", 1, WEIGHTS, "torch.save(w, path)", "torch.load(path)['w'][:99]"),
    Case("load of 50 MB", 1, WEIGHTS, "torch.load(path)", "torch.load(path)['w'][:99]"),
    Case("mapped load of 50 MB", 1, WEIGHTS, "torch.load(path, mmap=True)", "torch.load(path)['w'][:99]"),
]

CASES = [
    *small_ops(),
    *SMALL,
    *optimizer_steps(large=False),
    *LARGE,
    *optimizer_steps(large=True),
    *MODULE,
    *layers(),
    *DATA,
    *FILES,
]


def namespace(lib: ModuleType, case: Case) -> dict[str, Any]:
    """The case's variables, after its setup."""
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "optim": lib.optim}
    names["demo_network"] = lambda: demo_network(lib)
    lib.manual_seed(0)
    exec(case.setup, names)
    return names


def demo_network(lib: ModuleType) -> Any:
    """The network of examples/mnist.py, built with either library from the same text."""
    text = DEMO.read_text(encoding="utf-8")
    start, end = text.index("def block("), text.index("def judge(")
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "__name__": "demo"}
    exec("from __future__ import annotations\n" + text[start:end], names)
    return names["Net"]()
