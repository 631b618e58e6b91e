"""Tutorial, chapter 5: layers. What goes in, what comes out, and how they are put together."""

from __future__ import annotations

import rustnn as torch
from rustnn import nn

torch.manual_seed(0)

print(
    "Layers for pictures halve, look around, and normalise. Shapes are (pictures, channels, height, width):"
)
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

print("\nActivations bend: without them, many linear layers would be one.")
points = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
for activation in (nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.GELU()):
    print(f"  {type(activation).__name__:8}", [round(y, 3) for y in activation(points).tolist()])

print("\nDropout and batch norm behave differently in training and in use:")
dropout = nn.Dropout(p=0.5)
kept = dropout(torch.ones(1000))
print(f"  train: values {sorted(set(kept.tolist()))}, the mean stays near 1")
print("  eval: ", dropout.eval()(torch.ones(4)).tolist())
norm = nn.BatchNorm1d(1)
shifted = torch.randn(100, 1) * 3 + 10
print(f"  train: mean {norm(shifted).mean().abs().item():.4f} of what had {shifted.mean().item():.4f}")
print(f"  eval:  mean {norm.eval()(shifted).mean().item():.4f}, by what it has seen so far")

print("\nLayers for sequences read words as numbers, (sentences, words):")
words = torch.randint(100, (4, 7))
embedded = nn.Embedding(num_embeddings=100, embedding_dim=16)(words)
print("  Embedding ->", tuple(embedded.shape))
output, (hidden, cell) = nn.LSTM(input_size=16, hidden_size=32, num_layers=2, batch_first=True)(embedded)
print("  LSTM      ->", tuple(output.shape), "and a state", tuple(hidden.shape), tuple(cell.shape))
encoder = nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True, dropout=0.0)
print("  attention ->", tuple(encoder(embedded).shape))

print("\nSequential runs one after the other; a network is a layer too.")
network = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
    nn.Flatten(),
    nn.Linear(16, 10),
)
print("  pictures of any size:", [tuple(network(torch.randn(2, 1, n, n)).shape) for n in (28, 40)])
print("  parameters:", sum(p.numel() for p in network.parameters()))
