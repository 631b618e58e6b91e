"""What is not arithmetic: the way from Python to a kernel and back, modules, the tape, small optimizers."""

from __future__ import annotations

from .case import Case
from .optimizers import optimizer_steps

STEP = "o.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()\no.step()"

# Of eight floats; what can be recorded is measured with and without.
OPERATIONS = (
    "x + y",
    "x * 2",
    "x.relu()",
    "x.exp()",
    "x.view(2, 4)",
    "x[2:6]",
    "x[3]",
    "x.unsqueeze(0)",
    "x.sum()",
    "x.softmax(0)",
    "x.clone()",
    "x.to(torch.float64)",
    "torch.cat([x, y])",
    "torch.stack([x, y])",
    "torch.where(m, x, y)",
    "x.view(2, 4) @ y.view(4, 2)",
    "x[i]",
)
UNRECORDED = (
    "x > y",
    "x.argmax()",
    "x.sort()[0]",
    "x.add_(y)",
    "x.zero_()",
    "x[2:4].fill_(1.0)",
    "torch.zeros(8)",
    "torch.empty(8).fill_(2.0)",
    "torch.arange(8)",
    "torch.tensor([1.0, 2.0, 3.0])",
    "torch.rand(8) * 0",
    "torch.tensor(x.sum().item())",
    "torch.tensor(x.tolist())",
    "torch.from_numpy(x.numpy())",
    "torch.ones(x.shape)",
)


def small_operations() -> list[Case]:
    cases = []
    for recording in (False, True):
        setup = "x = torch.randn(8); y = torch.randn(8); m = x > 0; i = torch.tensor([1, 5])"
        if recording:
            setup += "; x.requires_grad_(); y.requires_grad_()"
        for statement in OPERATIONS + (() if recording else UNRECORDED):
            name = f"{statement}, 8 floats" + (", recorded" if recording else "")
            # Indexing with tensors is the one that may be 2.
            goal = 2 if statement == "x[i]" else 3
            cases.append(Case(name, goal, setup, statement, f"({statement}).detach()"))
    return cases


PASS = "class Pass(nn.Module):\n    def forward(self, x): return x\nm = Pass(); x = torch.zeros(2)"

CASES = [
    *small_operations(),
    Case(
        "chain of 20 operations on 8 floats, forward and backward",
        3,
        "x = torch.randn(8, requires_grad=True)",
        "y = x\nfor _ in range(10): y = (y * 0.5).sin()\ny.sum().backward()",
        "(x * 0.5).sin().detach()",
    ),
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
    Case("nn.Module.__call__", 2, PASS, "m(x)", "m(x)"),
    Case("a parameter as an attribute", 1, "m = nn.Linear(2, 2)", "m.weight", "m.weight.detach()"),
    Case("a module of a Sequential", 1, "m = nn.Sequential(nn.ReLU()); x = torch.ones(2)", "m[0]", "m[0](x)"),
    *optimizer_steps(large=False),
]
