"""Look into a model and its training. Then: tensorboard --logdir runs

Needs the packages tensorboard and graphviz; the graph is drawn where Graphviz's `dot` is installed.
"""

from __future__ import annotations

import math
import shutil

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils import make_dot, summary
from rustnn.utils.tensorboard import SummaryWriter

KINDS = ("ring", "cross", "bar")
STEPS = 120


def pictures(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rings, crosses and bars, with noise: pictures (count, 1, 12, 12), and which is which (count)."""
    kind = torch.randint(0, 3, (count,))
    centre = 5.5 + torch.randn(count, 2, 1, 1)
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    dy, dx = y - centre[:, 0], x - centre[:, 1]
    ring = torch.exp(-((torch.sqrt(dx**2 + dy**2) - 3.5) ** 2))
    bar = torch.exp(-(dy**2))
    cross = torch.maximum(bar, torch.exp(-(dx**2)))
    drawn = torch.stack([ring, cross, bar], 1)[torch.arange(count), kind]
    return (drawn + 0.3 * torch.randn_like(drawn)).clamp(0, 1).unsqueeze(1), kind


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten()
        )
        self.middle = nn.Linear(144, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.middle(self.features(x))))


torch.manual_seed(0)
model = Net()

print("A table of the layers:")
table = summary(model, (1, 1, 12, 12))
print(table)

print("\nThe graph that backward will walk:")
loss = nn.functional.cross_entropy(model(torch.rand(1, 1, 12, 12)), torch.tensor([1]))
dot = make_dot(loss, params=dict(model.named_parameters()))
print(" ", len(dot.body), "boxes and arrows, the last operation is", type(loss.grad_fn).__name__)
if shutil.which("dot"):
    print("  drawn:", dot.render("graph", format="svg", cleanup=True))

print("\nWhat takes the time:")
with torch.profiler.profile(profile_memory=True) as prof:
    nn.functional.cross_entropy(model(torch.rand(64, 1, 12, 12)), torch.zeros(64).long()).backward()
print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=5))
prof.export_chrome_trace("trace.json")  # for chrome://tracing or https://ui.perfetto.dev

print("\nA run for TensorBoard:")
with SummaryWriter("runs/looking") as writer:
    writer.add_graph(model, torch.rand(1, 1, 12, 12))
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    for step in range(STEPS):
        images, kinds = pictures(64)
        scores = model(images)
        loss = nn.functional.cross_entropy(scores, kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right = (scores.argmax(1) == kinds).float().mean()
        writer.add_scalar("loss", loss, step)
        writer.add_scalar("accuracy", right, step)
        sizes = {name: getattr(model, name).weight.norm() for name in ("middle", "head")}
        writer.add_scalars("norm", sizes, step)  # a run for each, in one chart
        if step % 10 == 0:
            for name, parameter in model.named_parameters():
                writer.add_histogram(name, parameter, step)
    with torch.no_grad():
        images, kinds = pictures(100)
        inner = torch.relu(model.middle(model.features(images)))
        chances = model.head(inner).softmax(1)
    writer.add_images("pictures", images[:16], STEPS)
    writer.add_embedding(inner, [KINDS[k] for k in kinds.tolist()], images, STEPS, tag="middle")
    writer.add_custom_scalars({"training": {"both": ["Multiline", ["loss", "accuracy"]]}})
    writer.add_pr_curve("rings", kinds == 0, chances[:, 0], STEPS)
    writer.add_text("about", "Rings, **crosses** and bars.", STEPS)
    writer.add_audio("tone", torch.sin(torch.arange(8000) * (2 * math.pi * 440 / 8000)), sample_rate=8000)
    writer.add_hparams(
        {"lr": 0.003, "optimizer": "Adam"}, {"final/accuracy": right.item()}, run_name="hparams"
    )
print(f"  accuracy {right.item():.0%} after {STEPS} steps; see it with: tensorboard --logdir runs")
