"""Tutorial, chapter 4: a module holds parameters, and calling it runs its `forward`."""

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


print("\nCalling the module runs forward. Three rows in, three rows of three scores out:")
x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
print(net(x))

print("\nA parameter is a tensor that asks for gradients, and the module can be looked into and changed:")
print("  net.fc1.weight:", tuple(net.fc1.weight.shape), " asks for gradients:", net.fc1.weight.requires_grad)
net(x).sum().backward()
print("  after backward its .grad has its shape:", tuple(net.fc1.weight.grad.shape))
net.zero_grad()
print("  after zero_grad():", net.fc1.weight.grad)
net.fc2.requires_grad_(False)  # frozen
print("  asking for gradients now:", [name for name, p in net.named_parameters() if p.requires_grad])
net.double()
print("  as float64:", net(x.double()).dtype)
