"""Tutorial, chapter 2: what a tensor is, how to make one, look into it and calculate with it."""

from __future__ import annotations

import numpy as np

import rustnn as torch

print("A tensor has as many dims as you like: a number, a row, a table, a picture.")
number = torch.tensor(7)
row = torch.tensor([1, 2, 3])
table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
picture = torch.rand(3, 32, 32)  # red, green, blue
for name, tensor in (("number", number), ("row", row), ("table", table), ("picture", picture)):
    print(f"  {name:8} shape {tuple(tensor.shape)!s:12} dtype {tensor.dtype}")

print("\nAll elements have one dtype. Whole numbers become int64, fractions float32, or as you say.")
print(
    " ",
    torch.tensor([1, 2]).dtype,
    torch.tensor([1.5]).dtype,
    torch.tensor([1, 2], dtype=torch.float64).dtype,
)

print("\nArithmetic goes element by element, and smaller shapes stretch to fit larger ones.")
print("  table + 10    ", (table + 10).tolist())
print("  table * table ", (table * table).tolist())
print("  table @ table ", (table @ table).tolist(), " the matrix product")
print("  table * row   ", (table * torch.tensor([1.0, 100.0])).tolist(), " the row, for each row")

print("\nReductions take one dim away, or all.")
print(
    "  sum", table.sum().item(), "  mean of each row", table.mean(dim=1).tolist(), "  max", table.max().item()
)

print("\nAn index or a new shape is a view: the same memory, seen differently. Nothing is copied.")
numbers = torch.arange(12)
grid = numbers.view(3, 4)
print(grid)
grid[:, 0] = 0
print("  after grid[:, 0] = 0 the row of numbers is", numbers.tolist())
print("  transposed: shape", tuple(grid.t().shape), "strides", grid.t().stride(), "instead of", grid.stride())

print("\nNumPy and rustnn share memory too.")
array = np.zeros(3)
shared = torch.from_numpy(array)
shared.add_(1)  # the underscore: in place
print("  the array, after the tensor was changed:", array)

print("\nThe same seed gives the same numbers, the ones that PyTorch gives.")
torch.manual_seed(0)
print(" ", torch.rand(3))
