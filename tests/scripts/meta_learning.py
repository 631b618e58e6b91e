"""Model-agnostic meta-learning of sine waves, and gradients of single samples, by torch.func."""

import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, hessian, jacrev, stack_module_state, vmap

torch.manual_seed(3)
model = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))


def loss_of(params, x, y):
    return ((functional_call(model, params, (x,)) - y) ** 2).mean()


def adapted_loss(params, x_support, y_support, x_query, y_query):
    slopes = grad(loss_of)(params, x_support, y_support)
    adapted = {name: value - 0.1 * slopes[name] for name, value in params.items()}
    return loss_of(adapted, x_query, y_query)


def tasks(count, points):
    amplitude = torch.rand(count, 1, 1) * 2 + 0.5
    phase = torch.rand(count, 1, 1) * 3.0
    x = torch.rand(count, 2 * points, 1) * 4 - 2
    y = amplitude * torch.sin(x + phase)
    return x[:, :points], y[:, :points], x[:, points:], y[:, points:]


params = {name: p.detach() for name, p in model.named_parameters()}
for step in range(8):
    batch = tasks(4, 5)
    gradients, losses = vmap(grad_and_value(adapted_loss), in_dims=(None, 0, 0, 0, 0))(params, *batch)
    params = {name: p - 0.05 * gradients[name].mean(0) for name, p in params.items()}
    print(f"step {step} loss {losses.mean():.5f}")

# How much single samples pull, as differential privacy clips it.
x, y = torch.randn(6, 1, 1), torch.randn(6, 1, 1)
single = vmap(grad(loss_of), in_dims=(None, 0, 0))(params, x, y)
norms = torch.stack([g.flatten(1).norm(dim=1) for g in single.values()]).norm(dim=0)
clipped = {
    k: (g * (0.5 / norms).clamp(max=1).view(-1, *[1] * (g.dim() - 1))).mean(0) for k, g in single.items()
}
print("norms", " ".join(f"{n:.4f}" for n in norms), f"clipped {sum(g.norm() for g in clipped.values()):.4f}")

# Several networks at once, and derivatives of higher order.
stacked, buffers = stack_module_state([nn.Linear(2, 3) for _ in range(4)])
bare = nn.Linear(2, 3)
outputs = vmap(lambda p, b, v: functional_call(bare, (p, b), (v,)), in_dims=(0, 0, None))(
    stacked, buffers, torch.ones(5, 2)
)
print(f"networks {outputs.sum():.4f} {tuple(outputs.shape)}")
point = torch.tensor([0.5, -0.2])
print("jacobian", jacrev(lambda v: torch.stack([v.prod(), v.sin().sum()]))(point))
print("hessian", hessian(lambda v: (v**3).sum() + v.prod())(point))
