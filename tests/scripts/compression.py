"""Distillation, pruning, spectral norm and hooks: a large network teaches a small one, which is thinned and rewritten."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import fx
from torch.autograd import Function
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.fusion import fuse_linear_bn_eval
from torch.utils.checkpoint import checkpoint

torch.manual_seed(11)


class Round(Function):
    """Rounds to steps of 1/8; the gradient passes as if it did not."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * 8).round() / 8

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 2)


class Quantized(nn.Module):
    def forward(self, weight):
        return Round.apply(weight)


teacher = nn.Sequential(
    parametrizations.spectral_norm(nn.Linear(10, 32)), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)
)
student = nn.Sequential(parametrizations.weight_norm(nn.Linear(10, 8)), nn.ReLU(), nn.Linear(8, 3))
parametrize.register_parametrization(student[2], "weight", Quantized())
x = torch.randn(64, 10)
y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()

optimizer = torch.optim.SGD(teacher.parameters(), lr=0.1, momentum=0.9, nesterov=True)
for _ in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(teacher(x), y)
    loss.backward()
    optimizer.step()
print(f"teacher {loss.item():.5f}")

seen = {}
handles = [
    part.register_forward_hook(
        lambda module, args, out, name=name: seen.update({name: out.detach().std().item()})
    )
    for name, part in student.named_children()
]
student.register_full_backward_hook(lambda module, grads, outs: seen.update(grad=outs[0].norm().item()))
teacher.eval()
optimizer = torch.optim.RMSprop(student.parameters(), lr=1e-2, centered=True)
for epoch in range(15):
    with torch.no_grad():
        wanted = F.softmax(teacher(x) / 2, dim=1)
    scores = checkpoint(student, x, use_reentrant=False)
    loss = F.kl_div(F.log_softmax(scores / 2, dim=1), wanted, reduction="batchmean") * 4
    loss = loss + 0.3 * F.cross_entropy(scores, y, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 5 == 4:
        print(
            f"epoch {epoch} loss {loss.item():.4f}", " ".join(f"{k} {v:.3f}" for k, v in sorted(seen.items()))
        )
for handle in handles:
    handle.remove()

parametrize.remove_parametrizations(student[0], "weight")
parametrize.remove_parametrizations(student[2], "weight")
prune.ln_structured(student[0], "weight", amount=0.25, n=2, dim=0)
prune.global_unstructured(
    [(student[0], "weight"), (student[2], "weight")], pruning_method=prune.L1Unstructured, amount=0.3
)
print(f"left {student[0].weight_mask.mean():.4f} {student[2].weight_mask.mean():.4f}")
for part in (student[0], student[2]):
    prune.remove(part, "weight")
print(f"pruned {F.cross_entropy(student(x), y).item():.2f}")

graph = fx.symbolic_trace(teacher)
parametrize.remove_parametrizations(teacher[0], "weight")
fused = nn.Sequential(fuse_linear_bn_eval(teacher[0], teacher[1]), *teacher[2:]).eval()
print(f"fused {(fused(x) - teacher(x)).abs().max().item() < 1e-4}")
smooth = fx.symbolic_trace(fused)
for node in smooth.graph.nodes:
    if node.op == "call_module" and isinstance(smooth.get_submodule(node.target), nn.ReLU):
        with smooth.graph.inserting_after(node):
            new = smooth.graph.call_function(F.softplus, node.args)
        node.replace_all_uses_with(new)
        smooth.graph.erase_node(node)
found = fx.replace_pattern(smooth, lambda v: F.softplus(v), lambda v: F.softplus(v, 2.0))
print(f"nodes {len(smooth.graph.nodes)} matches {len(found)} smooth {smooth(x).mean().item():.4f}")
