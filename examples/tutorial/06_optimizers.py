"""Tutorial, chapter 7: optimizers. They take the gradients and move the parameters a step downhill."""

from __future__ import annotations

import rustnn as torch
from rustnn import nn, optim

print("The three lines of every training: zero_grad, backward, step. Here they find the minimum of a valley.")


def valley(point: torch.Tensor) -> torch.Tensor:
    """A hundred times steeper across than along; the lowest point is (1, 1)."""
    return (point[0] - 1) ** 2 + 100 * (point[1] - 1) ** 2


def descend(name: str, steps: int) -> None:
    point = nn.Parameter(torch.tensor([-1.0, 2.0]))
    optimizer: optim.Optimizer = eval(name, {"optim": optim, "parameters": [point]})
    heights = []
    for _ in range(steps):
        optimizer.zero_grad()
        height = valley(point)
        height.backward()
        optimizer.step()
        heights.append(height.item())
    print(f"  {name:70} " + "  ".join(f"{heights[i]:9.4f}" for i in (0, 9, 49, steps - 1)))


print(f"  {'':70} " + "  ".join(f"step {step:4}" for step in (1, 10, 50, 200)))
for name in (
    "optim.SGD(parameters, lr=0.001)",
    "optim.SGD(parameters, lr=0.009)",
    "optim.SGD(parameters, lr=0.002, momentum=0.9)",
    "optim.SGD(parameters, lr=0.002, momentum=0.9, nesterov=True)",
    "optim.Adam(parameters, lr=0.1, betas=(0.9, 0.999), eps=1e-08)",
    "optim.AdamW(parameters, lr=0.1, weight_decay=0.01)",
    "optim.RMSprop(parameters, lr=0.02)",
    "optim.Adagrad(parameters, lr=0.5)",
):
    descend(name, 200)

print("\nGroups of parameters can have settings of their own:")
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = optim.SGD(
    [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.1}], lr=0.01, momentum=0.9
)
print(" ", [(group["lr"], len(group["params"])) for group in optimizer.param_groups])

print("\nThe rate can change on the way: set it, or let a scheduler do so after every epoch.")
for group in optimizer.param_groups:
    group["lr"] = 1.0
print("  set by hand:", [group["lr"] for group in optimizer.param_groups])
for name in ("StepLR(optimizer, step_size=2, gamma=0.1)", "CosineAnnealingLR(optimizer, T_max=5)"):
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    scheduler = eval(f"optim.lr_scheduler.{name}", {"optim": optim, "optimizer": optimizer})
    rates = []
    for _ in range(6):
        rates.append(round(scheduler.get_last_lr()[0], 4))
        optimizer.step()
        scheduler.step()
    print(f"  {name:42}", rates)

print("\nGradients that are too long can be cut before the step:")
loss = (net(torch.randn(16, 4) * 100) ** 2).mean()
loss.backward()
before = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
after = torch.stack([p.grad.norm() for p in net.parameters() if p.grad is not None]).norm()
print(f"  length {before.item():.1f} before, {after.item():.4f} after")
