"""Tutorial, chapter 10: seeing. The graph, what happens inside, and how the loss went down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

import rustnn as torch
from rustnn import nn, optim

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
x = torch.linspace(-3, 3, 128).unsqueeze(1)
y = torch.sin(2 * x) + 0.1 * torch.randn(128, 1)

print("The graph behind a result, from the loss back to what asked for gradients:")


def show(node: Any, indent: int = 0) -> None:
    variable = getattr(node, "variable", None)
    value = "" if variable is None else f" {variable.tolist()}"
    print("  " + "  " * indent + type(node).__name__ + value)
    for parent, _ in node.next_functions:
        if parent is not None:
            show(parent, indent + 1)


slope = torch.tensor([0.5, -1.0], requires_grad=True)
shift = torch.tensor(2.0, requires_grad=True)
show(((slope * torch.tensor([1.0, 3.0]) + shift).tanh() ** 2).sum().grad_fn)

print("\nA hook sees what passes through a layer:")
seen: dict[str, torch.Tensor] = {}
handles = [
    layer.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.detach()}))
    for name, layer in net.named_children()
]
net(x)
for handle in handles:
    handle.remove()
for name, output in seen.items():
    kind = type(net[int(name)]).__name__
    print(f"  layer {name}: {kind:6} mean {output.mean().item():7.4f}  spread {output.std().item():.4f}")

print("\nTraining, with the length of the gradient watched as well:")
optimizer = optim.Adam(net.parameters(), lr=0.005)
losses, lengths = [], []
for step in range(400):
    optimizer.zero_grad()
    loss = nn.MSELoss()(net(x), y)
    loss.backward()
    gradients = [p.grad.norm() for p in net.parameters() if p.grad is not None]
    lengths.append(torch.stack(gradients).norm().item())
    optimizer.step()
    losses.append(loss.item())
    if step in (0, 9, 99):
        print(f"  step {step + 1:3}: loss {losses[-1]:.4f}, gradient {lengths[-1]:.4f}")

print(f"  at the end: loss {losses[-1]:.4f}")

path = Path("demo/seeing.png")
path.parent.mkdir(exist_ok=True)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
left.plot(losses)
left.set(xlabel="step", ylabel="mean squared error", yscale="log", title="Loss")
middle.plot(lengths, color="tab:orange")
middle.set(xlabel="step", yscale="log", title="Length of the gradient")
right.scatter(x.squeeze().numpy(), y.squeeze().numpy(), s=8, color="tab:gray", label="data")
with torch.no_grad():
    right.plot(x.squeeze().numpy(), net(x).squeeze().numpy(), color="tab:red", label="network")
right.set(title="What it learnt")
right.legend()
figure.savefig(path, dpi=110)
print(f"\ndrawn: {path}")
