"""Changes in place and views, as the tape sees them: programs that either library runs.

Each program writes to a tensor, or to a view of one, that has a history, or is needed by one; values, gradients,
names of nodes and versions must agree, or both must refuse.
"""

from __future__ import annotations

import pytest

from parity.programs import hold

SETUP = """
x = t(3, 4).requires_grad_()
w = t(4).requires_grad_()
y = x * 2
p = t(3, 4)
"""

END = """
if y.requires_grad: (y * torch.arange(12.0).view(3, 4)).sum().backward()
grads = x.grad, w.grad
"""

# What happens between the two.
CHANGES = """
y.add_(w)
y.mul_(w)
y.div_(w)
y.sub_(w, alpha=2)
y.pow_(2)
y.exp_()
y.sigmoid_()
y.relu_()
y.clamp_(-0.5, 0.5)
y.zero_()
y.fill_(3)
y.fill_(w.sum())
y.copy_(w)
y.t_(); y = y.t()
y.squeeze_()
y.unsqueeze_(0); y = y[0]
y.transpose_(0, 1); y = y.transpose(0, 1)
y.swapaxes_(0, 1); y = y.T
y[0] = w
y[0].copy_(w)
y[0].mul_(w)
y[0] *= w
y[:, 1] = 1
y[:, 1:3].exp_()
y[1:][0].mul_(3)
y[y > 0] = 0
y[y > 0] *= w.sum()
y[[0, 2]] = w
y[[0, 0]] += w
y[:, [0, 1]] -= y[:, [2, 3]]
y.view(-1)[3:7] = 5
y.view(-1).mul_(2); y.t().exp_()
y.view(2, 6)[:, 0].zero_()
y.diagonal().fill_(1)
y.diagonal().mul_(w[:3])
y.T[0].copy_(w[:3])
y.unfold(1, 2, 2)[:, 0].mul_(2)
y.as_strided((2, 2), (4, 1), 1).mul_(3)
y.narrow(0, 1, 2).add_(w)
y.select(1, 2).mul_(y.select(1, 3))
y.unsqueeze(1)[0].neg_()
y.flatten()[0] = 9
y.reshape(4, 3)[0] = 9
y.expand(2, 3, 4)[0].mul_(2)
y.expand(2, 3, 4).mul_(2)
y[None].mul_(2)
y.detach().mul_(2)
y.detach()[0] = 1
y.data.mul_(2)
y.index_add_(0, torch.tensor([0, 0]), w.expand(2, 4))
y.index_copy_(0, torch.tensor([1]), w[None])
y.index_fill_(1, torch.tensor([1]), 7)
y.index_put_((torch.tensor([1]),), w)
y.index_put_((torch.tensor([1, 1]),), w, accumulate=True)
y.scatter_(1, torch.tensor([[0], [1], [2]]), 3.0)
y.scatter_(1, torch.tensor([[0], [1], [2]]), w[:3, None])
y.scatter_add_(1, torch.tensor([[0], [1], [2]]), w[:3, None])
y.scatter_reduce_(1, torch.tensor([[0], [1], [2]]), w[:3, None], 'amax')
y.masked_fill_(p > 0, 2)
y.masked_fill_(p > 0, w.sum())
y.masked_scatter_(p > 0, x)
y.put_(torch.tensor([3, 5]), w[:2])
y.fill_diagonal_(2)
y.tril_()
y.lerp_(w, 0.5)
y.lerp_(w, w / 8)
y = p; y.lerp_(w, w)
y = p; y.lerp_(w, w.sum()); y.lerp_(w, w)
y = p; y.ldexp_(w)
y.ldexp_(w)
y = p; y.scatter_(1, torch.tensor([[0], [1], [2]]), w[:3, None])
y.addcmul_(w, w)
y.addcdiv_(p, w)
y.cumsum_(1)
y.clone().mul_(2)
y.contiguous().mul_(2)
y.t().contiguous().mul_(2)
v = y[0]; y.mul_(2); (v * v).sum().backward(retain_graph=True)
v = y[0]; v.mul_(2); u = y[:, 0]; u.add_(1); y = y * v
v = y.view(-1); u = v[2:]; u.mul_(w.sum()); y = y * v.view(3, 4)
v = y[0]; y = y * 1; v.mul_(2)
v = y[1]; v.detach_()
z = y * y; y.add_(1); z.sum().backward()
z = y.exp(); z.add_(1); z.sum().backward()
z = y.exp(); y.add_(1); z.sum().backward(retain_graph=True)
z = y[0] * w; y[1] = 0; z.sum().backward()
z = y[0] * w; y[0] = 0; z.sum().backward()
z = y @ y.T; y[0, 0] = 0; z.sum().backward()
z = y.sum(); y.mul_(2); z.backward(retain_graph=True)
z = y.max(1)[0]; y.mul_(2); z.sum().backward(retain_graph=True)
z = y.relu(); z.mul_(2); z.sum().backward(retain_graph=True)
z = (y + 1); z.mul_(2); z.sum().backward(retain_graph=True)
a, b, c = y.unbind(); a.mul_(2)
a, b = y.split([1, 2]); a.mul_(2)
a, b = y.chunk(2, 1); b.mul_(2)
a, b = y.tensor_split(2, 1); b.mul_(2)
a, b = y.hsplit(2); b.mul_(2)
a, b = y.unsafe_split(2); b.mul_(2)
_a, _b = y.split([1, 2]); y.mul_(2); y = y * 1
_a = y.unbind()[0]; y.mul_(2); y = y + _a
for row in y: row.mul_(2)
x.mul_(2)
x[0] = 1
x[0].mul_(2)
x.view(-1)[0] = 1
x.data[0] = 1
x.detach().mul_(2)
x.t_()
x.resize_(2, 2)
x.copy_(p)
p[0] = x[0]; y = p
p[0].add_(x[0]); y = p * 2
p.add_(x); y = p
p.view(-1)[:4] = w; y = p
p.view(4, 3).t()[0].mul_(w); y = p
q = p[0]; p.mul_(x); y = p * q
q = p[0]; q.mul_(w); y = p * q
q = p.view(-1); q[0] = w[0]; y = p * q.view(3, 4)
p.expand(2, 3, 4).copy_(x)
p[0].expand(3, 4).add_(x)
torch.zeros(1).expand(4).add_(w)
v = None\\nwith torch.no_grad(): v = y[0]\\nv.mul_(2)
with torch.no_grad(): _v = y[0]; _v.mul_(2)
v = None\\nwith torch.no_grad(): v = p[0]\\nv.mul_(w)
v = None\\nwith torch.no_grad(): v = p[0]\\nv.mul_(2); y = y * v
with torch.no_grad(): x.mul_(2)
with torch.no_grad(): x[0] = 1
with torch.no_grad(): y[0] = 1
with torch.no_grad(): y.mul_(2)
with torch.no_grad(): y.view(-1)[0] = w[0]
z = y * w\\nwith torch.no_grad(): y.mul_(2)\\nz.sum().backward()
z = y * w\\nwith torch.no_grad(): w.mul_(2)\\nz.sum().backward()
v = y[0]; v.requires_grad_()
v = y[0].detach().requires_grad_(); v.mul_(2)
v = p[0].requires_grad_(); v.mul_(2)
v = p[0].requires_grad_(); p.mul_(2); y = p
v = y.view_as(y); v.mul_(2); g = v.grad_fn is not None
v = y.T; v.add_(1); n = type(y.grad_fn).__name__, type(v.grad_fn).__name__
v = y[0]; b = v._base is y, v._is_view(), y._version, v._version; v.add_(1); c = y._version, v._version
v = y[0][1:]; b = v._base is y
v = y.reshape(-1); b = v._is_view()
v = y.t().reshape(-1); b = v._is_view()
v = y.expand(3, 4); v.mul_(2)
v = y.expand_as(y); v[0] = 1
v = y.squeeze(); v.add_(1)
v = y.movedim(0, 1); v[0] = 1
v = y.unflatten(1, (2, 2)); v[:, 0] = w[:2]
v = y.adjoint(); v[0] = 2
v = torch.view_as_complex(y.view(3, 2, 2)); v.mul_(2)
v = torch.view_as_real(torch.complex(y, y)); v.mul_(2); y = v[..., 0]
c = torch.complex(y, y); c.real.mul_(w); y = c.real * c.imag
c = torch.complex(y, y); c.imag = w; y = c.real * c.imag
v = y.view(torch.int32); v.zero_()
""".strip().splitlines()


@pytest.mark.parametrize("change", CHANGES)
def test_change(change: str) -> None:
    hold(SETUP + change.replace("\\n", "\n") + END)


@pytest.mark.parametrize("change", [c for c in CHANGES if not c.startswith(("with", "z =", "x."))])
def test_second_gradient(change: str) -> None:
    """The same with a result that is not linear, differentiated twice."""
    program = f"""{SETUP}
{change.replace(chr(92) + "n", chr(10))}
_out = (y * y * y).sum()
g = torch.autograd.grad(_out, [x, w], create_graph=True, allow_unused=True)
_total = sum((item * item).sum() for item in g if item is not None)
h = torch.autograd.grad(_total, [x, w], allow_unused=True) if isinstance(_total, torch.Tensor) else None
"""
    hold(program)
