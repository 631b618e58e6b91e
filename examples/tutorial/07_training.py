"""Tutorial, chapter 8: batches, the loop, and a look at what was not trained on."""

from __future__ import annotations

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils.data import DataLoader, Dataset


class Spirals(Dataset):
    """Points on three spirals: the arm is the class. Any object with a length and an index will do."""

    def __init__(self, count: int) -> None:
        t = torch.rand(count) * 0.9 + 0.1
        self.labels = torch.randint(3, (count,))
        angle = 4 * t + 2.1 * self.labels + torch.randn(count) * 0.1
        self.points = torch.stack([t * angle.sin(), t * angle.cos()], 1)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.points[index], self.labels[index]


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))


def validate(model: nn.Module, data: Spirals) -> float:
    """The share of points that are put on their arm."""
    model.eval()
    with torch.no_grad():
        guesses = model(data.points).argmax(dim=1)
    model.train()
    share: float = (guesses == data.labels).float().mean().item()
    return share


torch.manual_seed(0)
train_data, test_data = Spirals(600), Spirals(300)
criterion = nn.CrossEntropyLoss()

for name in ("SGD with momentum", "Adam"):
    model = network()
    if name == "Adam":
        optimizer: optim.Optimizer = optim.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.999), eps=1e-08)
    else:
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = DataLoader(dataset=train_data, batch_size=32, shuffle=True)
    print(f"{name}: before, {validate(model, test_data):.1%} of the test points are right")
    for epoch in range(1, 21):
        total = 0.0
        for points, labels in loader:
            optimizer.zero_grad()  # gradients add up, so start from none
            loss = criterion(model(points), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch in (1, 5, 20):
            right = validate(model, test_data)
            print(f"  epoch {epoch:2}: loss {total / len(loader):.4f}, test {right:.1%}")

# Where samples are slow to read, processes read them ahead. Each may import this file anew, hence the test.
if __name__ == "__main__":
    loader = DataLoader(dataset=train_data, batch_size=32, shuffle=True, num_workers=2)
    seen = sum(len(labels) for _, labels in loader)
    print(f"two workers have handed over {seen} points in {len(loader)} batches")
