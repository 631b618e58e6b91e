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

print("\nDims of size 1 come and go; one number stands for what is left over.")
print(
    "  unsqueeze", tuple(row.unsqueeze(0).shape), " squeeze", tuple(row.unsqueeze(0).squeeze().shape), end=""
)
print("  reshape(-1, 2)", tuple(grid.reshape(-1, 2).shape))

print("\nA slice of a slice, every other one, and only those that fulfil a condition:")
print(" ", grid[1:, ::2].tolist(), grid[grid > 6].tolist())

print("\nTensors and NumPy share memory too.")
array = np.zeros(3)
shared = torch.from_numpy(array)
shared.add_(1)  # the underscore: in place
print("  the array, after the tensor was changed:", array)

print("  and back:", torch.ones(2, 2).numpy().tolist())

print("\nA tensor lies on a device; `to` moves it, and `to` takes a dtype as well.")
on = table.to("cuda") if torch.cuda.is_available() else table.to("cpu")
print("  on a GPU:", on.is_cuda, " back on the CPU:", on.cpu().device, " as", table.to(torch.int32).dtype)

print("\nThe same seed gives the same numbers, in any program.")
torch.manual_seed(0)
print(" ", torch.rand(3))
