"""Tutorial, chapters 4 to 6: modules hold parameters, layers are modules, a loss says how wrong they are."""

from __future__ import annotations

import rustnn as torch
from rustnn import nn


class SimpleNet(nn.Module):
    """Two inputs, a hidden layer of 16, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features=2, out_features=16)
        self.act = nn.Tanh()
        self.fc2 = nn.Linear(in_features=16, out_features=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(self.act(self.fc1(x)))
        return out


torch.manual_seed(0)
net = SimpleNet()
print(net)
print("Layers that are attributes are found, and their parameters with them:")
for name, parameter in net.named_parameters():
    print(f"  {name:11} {tuple(parameter.shape)}")
print("  in all", sum(p.numel() for p in net.parameters()))

print("\nParameters start random; nn.init has other ways to start.")
nn.init.xavier_uniform_(net.fc1.weight)
print(f"  fc1 now lies within {net.fc1.weight.abs().max().item():.3f} of zero")

print("\nLayers for pictures halve, look around, and normalise:")
x = torch.randn(8, 3, 32, 32)
for layer in (
    nn.Conv2d(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1),
    nn.BatchNorm2d(num_features=64),
    nn.ReLU(),
    nn.MaxPool2d(kernel_size=2, stride=2),
    nn.Dropout(p=0.5),
    nn.Flatten(),
):
    x = layer(x)
    print(f"  {type(layer).__name__:12} -> {tuple(x.shape)}")

print("\nDropout and batch norm behave differently in training and in use:")
dropout = nn.Dropout(p=0.5)
print("  train:", dropout(torch.ones(8)).tolist())
print("  eval: ", dropout.eval()(torch.ones(8)).tolist())

print("\nThree spirals, one class each: the toy set. A loss compares what comes out with what should.")
t = torch.linspace(0.1, 1, 100)
arms = [torch.stack([t * (4 * t + a).sin(), t * (4 * t + a).cos()], 1) for a in (0.0, 2.1, 4.2)]
points = torch.cat(arms)
labels = torch.cat([torch.full((100,), k) for k in range(3)])
outputs = net(points)
cross_entropy = nn.CrossEntropyLoss()(outputs, labels)
guess = torch.tensor(3.0).log()
print(f"  cross-entropy {cross_entropy.item():.4f}: a guess among three would have {guess.item():.4f}")
print(f"  mean squared error to zero {nn.MSELoss()(outputs, torch.zeros(300, 3)).item():.4f}")

cross_entropy.backward()
print("  and every parameter has a gradient:", all(p.grad is not None for p in net.parameters()))
