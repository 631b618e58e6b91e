"""Tutorial, chapter 9: keep a model or its weights, go on from a checkpoint."""

from __future__ import annotations

import tempfile
from pathlib import Path

import rustnn as torch
from rustnn import nn, optim


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def train(model: nn.Module, optimizer: optim.Optimizer, steps: int) -> float:
    """Learn to add four numbers; the last loss."""
    loss = torch.zeros(())
    for _ in range(steps):
        x = torch.randn(32, 4)
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), x.sum(1, keepdim=True))
        loss.backward()
        optimizer.step()
    last: float = loss.item()
    return last


torch.manual_seed(0)
folder = Path(tempfile.mkdtemp())
model = network()
optimizer = optim.Adam(model.parameters(), lr=0.01)
print(f"100 steps: loss {train(model, optimizer, 100):.4f}")

print("\nA state_dict is a plain dictionary from names to tensors:")
for name, tensor in model.state_dict().items():
    print(f"  {name:9} {tuple(tensor.shape)}")

torch.save(model.state_dict(), folder / "model_weights.pth")
fresh = network()
x = torch.ones(1, 4)
print(f"\n1 + 1 + 1 + 1 = {model(x).item():.4f}; a fresh network says {fresh(x).item():.4f}")
fresh.load_state_dict(torch.load(folder / "model_weights.pth"))
print(f"with the saved weights it says {fresh(x).item():.4f}")

print("\nA whole model can be kept too: the file then names its classes, and loading makes objects of them.")
torch.save(model, folder / "model.pth")
# rustnn knows its own layers: load(...) alone does it too. Classes of one's own, and PyTorch, need the
# switch, which is only for files that one trusts.
whole = torch.load(folder / "model.pth", weights_only=False)
print(f"  a {type(whole).__name__}, it says {whole(x).item():.4f}")

print("\nA checkpoint holds all that is needed to go on: weights, the optimizer's memory, where it was.")
checkpoint = {"steps": 100, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
torch.save(checkpoint, folder / "checkpoint.pth")
print(f"going on at once:            loss {train(model, optimizer, 100):.4f}")
torch.manual_seed(1)
again = network()
optimizer = optim.Adam(again.parameters(), lr=0.01)
kept = torch.load(folder / "checkpoint.pth")
again.load_state_dict(kept["model"])
optimizer.load_state_dict(kept["optimizer"])
print(f"from the file, after step {kept['steps']}: loss {train(again, optimizer, 100):.4f}")

print("\nLoading never runs code from the file, and what is not a checkpoint is refused:")
(folder / "broken.pth").write_bytes((folder / "checkpoint.pth").read_bytes()[:500])
try:
    torch.load(folder / "broken.pth")
except Exception as error:
    print(f"  half a file: {type(error).__name__}")
print("\nThe file is PyTorch's own format: torch.load reads it, and torch.save writes what rustnn reads.")
