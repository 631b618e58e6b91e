"""A script as users write it: a network, a loader, an optimizer, a schedule, a file."""

import argparse
from pathlib import Path
from typing import assert_type

import rustnn as torch
import rustnn.nn.functional as F
from rustnn import Tensor, nn, optim
from rustnn.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from rustnn.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, hidden, kernel_size=(3, 3), stride=2)
        self.norm = nn.BatchNorm2d(hidden)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 10, bias=True)
        self.layers = nn.ModuleList([nn.Linear(10, 10) for _ in range(2)])
        self.scale = nn.Parameter(torch.ones(10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = torch.relu(self.norm(self.conv2(x)))
        x = x.mean(dim=(2, 3))
        assert_type(x, Tensor)
        x = self.head(self.drop(x)) * self.scale
        for layer in self.layers:
            x = x + layer(x)
        return F.log_softmax(x, dim=1)


def train_one_epoch(
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, ...]],
    optimizer: optim.Optimizer,
    scheduler: LRScheduler,
    device: torch.device,
) -> float:
    model.train()
    criterion = nn.NLLLoss()
    total = 0.0
    for step, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(images), labels)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        assert_type(norm, Tensor)
        optimizer.step()
        total += loss.item()
        if step % 10 == 0:
            print(f"{step} loss {loss.item():.3f} norm {norm:.2f} lr {scheduler.get_last_lr()[0]:.4f}")
    scheduler.step()
    return total / len(loader)


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]]) -> float:
    model.eval()
    correct = count = 0
    for images, labels in loader:
        predicted = model(images).argmax(dim=1)
        correct += int((predicted == labels).sum().item())
        count += labels.size(0)
    return correct / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--file", type=Path, default=Path("net.pth"))
    arguments = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = TensorDataset(torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,)))
    train, test = random_split(data, [48, 16], generator=torch.Generator().manual_seed(1))
    loader = DataLoader(train, batch_size=16, shuffle=True, num_workers=0)
    model = Net(16).to(device)
    assert_type(model, Net)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)
    scheduler = CosineAnnealingLR(optimizer, T_max=arguments.epochs)
    for epoch in range(arguments.epochs):
        mean = train_one_epoch(model, loader, optimizer, scheduler, device)
        print(epoch, mean, accuracy(model, DataLoader(test, batch_size=8)))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, arguments.file)
    checkpoint = torch.load(arguments.file, map_location=device, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])


if __name__ == "__main__":
    main()
