"""Tensors: making, indexing, arithmetic, reductions, conversions."""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np

import rustnn as torch
from rustnn import Tensor

# ---- making ----
assert_type(torch.tensor([[1, 2], [3, 4]], dtype=torch.float32, requires_grad=True), Tensor)
assert_type(torch.zeros(2, 3), Tensor)
assert_type(torch.zeros((2, 3), dtype=torch.int64, device="cpu"), Tensor)
assert_type(torch.ones([2, 3]), Tensor)
assert_type(torch.rand(2, 3, generator=torch.Generator()), Tensor)
assert_type(torch.randn(4, requires_grad=True), Tensor)
assert_type(torch.randint(10, (2, 2)), Tensor)
assert_type(torch.randint(0, 10, (2, 2), dtype=torch.long), Tensor)
assert_type(torch.arange(10), Tensor)
assert_type(torch.arange(0, 1, 0.1), Tensor)
assert_type(torch.linspace(0, 1, steps=5), Tensor)
assert_type(torch.full((2, 2), 3.0), Tensor)
assert_type(torch.empty(3, 4), Tensor)
assert_type(torch.eye(3), Tensor)
assert_type(torch.zeros_like(torch.ones(2)), Tensor)
assert_type(torch.from_numpy(np.zeros(3)), Tensor)
assert_type(torch.as_tensor([1, 2]), Tensor)
assert_type(torch.Tensor(2, 3), Tensor)
assert_type(torch.FloatTensor([1.0]), Tensor)
assert_type(torch.normal(0.0, 1.0, (2,)), Tensor)
assert_type(torch.randperm(5), Tensor)

x = torch.randn(4, 5)
y = torch.randn(4, 5)
n = torch.arange(4)

# ---- facts ----
assert_type(x.shape, torch.Size)
assert_type(x.shape[0], int)
assert_type(x.size(), torch.Size)
assert_type(x.size(0), int)
assert_type(x.size(dim=-1), int)
assert_type(x.stride(), tuple[int, ...])
assert_type(x.stride(0), int)
assert_type(x.dtype, torch.dtype)
assert_type(x.device, torch.device)
assert_type(x.device.type, str)
assert_type(x.ndim, int)
assert_type(x.dim(), int)
assert_type(x.numel(), int)
assert_type(x.requires_grad, bool)
assert_type(x.is_leaf, bool)
assert_type(x.is_contiguous(), bool)
assert_type(x.is_floating_point(), bool)
assert_type(len(x), int)
batch, features = x.shape
assert_type(batch, int)
rows, columns = x.size()
assert_type(rows, int)

# ---- indexing ----
assert_type(x[0], Tensor)
assert_type(x[0, 1], Tensor)
assert_type(x[:, 1:3], Tensor)
assert_type(x[..., None], Tensor)
assert_type(x[x > 0], Tensor)
assert_type(x[[0, 1]], Tensor)
assert_type(x[n, 0], Tensor)
x[0] = 1.0
x[x > 0] = y[x > 0]
x[:, 0] += 1
for row in x:
    assert_type(row, Tensor)

# ---- arithmetic ----
assert_type(x + y, Tensor)
assert_type(2 * x - 1, Tensor)
assert_type(1 / (x**2 + 1e-8), Tensor)
assert_type(x @ y.T, Tensor)
assert_type(-x, Tensor)
assert_type(x // 2, Tensor)
assert_type(x % 2, Tensor)
assert_type(2**x, Tensor)
assert_type(x == y, Tensor)
assert_type(x != 0, Tensor)
assert_type((x > 0) & (y < 1) | ~(x <= y), Tensor)
assert_type(abs(x), Tensor)
x += 1
x *= y
x /= 2
assert_type(x, Tensor)
if (x > 0).all():
    pass

# ---- functions and methods ----
assert_type(torch.matmul(x, y.t()), Tensor)
assert_type(torch.cat([x, y], dim=0), Tensor)
assert_type(torch.cat((x, y)), Tensor)
assert_type(torch.stack([x, y], 1), Tensor)
assert_type(torch.where(x > 0, x, 0.0), Tensor)
assert_type(torch.where(x > 0, x, y), Tensor)
assert_type(torch.exp(x).log().clamp(min=0).clamp(0, 1), Tensor)
assert_type(torch.einsum("ij,kj->ik", x, y), Tensor)
assert_type(torch.sigmoid(x), Tensor)
assert_type(x.view(2, -1), Tensor)
assert_type(x.view(-1), Tensor)
assert_type(x.reshape((2, 10)), Tensor)
assert_type(x.reshape(20), Tensor)
assert_type(x.permute(1, 0), Tensor)
assert_type(x.transpose(0, 1).contiguous(), Tensor)
assert_type(x.unsqueeze(0).squeeze(), Tensor)
assert_type(x.expand(2, -1, -1), Tensor)
assert_type(x.repeat(2, 1), Tensor)
assert_type(x.flatten(1), Tensor)
assert_type(x.masked_fill(x > 0, float("-inf")), Tensor)
assert_type(x.gather(1, torch.zeros(4, 1, dtype=torch.long)), Tensor)
assert_type(x.scatter_(1, torch.zeros(4, 1, dtype=torch.long), 1.0), Tensor)
assert_type(x.fill_(0).add_(1).mul_(2), Tensor)
assert_type(x.clone().detach().cpu(), Tensor)
assert_type(x.softmax(dim=-1), Tensor)
assert_type(x.norm(), Tensor)
assert_type(torch.softmax(x, dim=1), Tensor)
assert_type(torch.triu(torch.ones(3, 3), diagonal=1), Tensor)
assert_type(torch.nn.functional.one_hot(n, num_classes=4), Tensor)
assert_type(torch.linalg.norm(x), Tensor)
assert_type(torch.fft.rfft(x), Tensor)

# ---- reductions ----
assert_type(x.sum(), Tensor)
assert_type(x.sum(dim=0, keepdim=True), Tensor)
assert_type(x.mean(1), Tensor)
assert_type(x.mean((0, 1)), Tensor)
assert_type(x.std(dim=0, unbiased=False), Tensor)
assert_type(x.var(), Tensor)
assert_type(x.max(), Tensor)
assert_type(torch.max(x), Tensor)
assert_type(torch.max(x, y), Tensor)
values, indices = x.max(dim=1)
assert_type(values, Tensor)
assert_type(indices, Tensor)
values, indices = torch.max(x, 1)
values, indices = torch.sort(x, dim=1, descending=True)
values, indices = x.topk(2)
assert_type(values, Tensor)
assert_type(x.topk(2).values, Tensor)
assert_type(torch.min(x, dim=1).indices, Tensor)
assert_type(x.argmax(), Tensor)
assert_type(x.argmax(dim=1), Tensor)
assert_type(torch.argsort(x), Tensor)
assert_type(x.cumsum(0), Tensor)
assert_type(torch.allclose(x, y, atol=1e-6), bool)
assert_type(torch.equal(x, y), bool)
first, second = x.chunk(2, dim=0)
assert_type(first, Tensor)
assert_type(torch.split(x, 2)[0], Tensor)
assert_type(x.split([1, 3])[1], Tensor)
assert_type(x.unbind(0)[0], Tensor)
grid_x, grid_y = torch.meshgrid(n, n, indexing="ij")
assert_type(grid_x, Tensor)
u, s, vh = torch.linalg.svd(x, full_matrices=False)
assert_type(s, Tensor)
distinct: Tensor = torch.unique(n)
assert_type(x.nonzero(), Tensor)

# ---- conversions ----
assert_type(x.float(), Tensor)
assert_type(x.long(), Tensor)
assert_type(x.to(torch.float64), Tensor)
assert_type(x.to("cpu", torch.float64), Tensor)
assert_type(x.to(device="cpu", dtype=torch.half), Tensor)
assert_type(x.to(y), Tensor)
assert_type(x.type_as(y), Tensor)
assert_type(float(x.sum()), float)
assert_type(int(n[0]), int)
array: np.ndarray[Any, Any] = x.numpy()
items: list[float] = x.tolist()
number: float = x.sum().item()

# ---- gradients ----
w = torch.randn(5, requires_grad=True)
loss = (x @ w).pow(2).mean()
loss.backward(retain_graph=True)
if w.grad is not None:
    w.grad.zero_()
    assert_type(w.grad.requires_grad, bool | Any)
gradients = torch.autograd.grad(loss, [w], create_graph=True)
assert_type(gradients, tuple[Tensor, ...])
with torch.no_grad():
    w -= 0.1 * gradients[0]
with torch.inference_mode(), torch.enable_grad():
    pass
handle = w.register_hook(lambda gradient: gradient * 2)
handle.remove()
w.requires_grad_(False)
seed_before = torch.get_rng_state()
torch.set_rng_state(seed_before)


def batches(data: Tensor, size: int) -> Iterator[Tensor]:
    for start in range(0, data.size(0), size):
        yield data[start : start + size]


@torch.inference_mode()
def predict(x: Tensor) -> Tensor:
    return x.argmax(-1)


assert_type(predict(x), Tensor)
