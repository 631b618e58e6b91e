"""Reading and writing parts of a tensor: views where PyTorch has views, copies where it copies."""

from __future__ import annotations

import random

import pytest

from parity.programs import hold

SETUP = """
a = torch.arange(60).view(3, 4, 5)
f = t(3, 4, 5)
v = torch.arange(6.0)
z = torch.tensor(5.0)
"""

READ = """
a[0]
a[-1]
a[1, 2]
a[1, 2, 3]
a[1:]
a[:, 1]
a[:, :, 1]
a[..., 1]
a[..., 1:3]
a[0, ...]
a[..., 0, :]
a[...]
a[:]
a[::2]
a[:, ::3]
a[1:2, 2:, :3]
a[5:]
a[2:1]
a[-2:]
a[:-1]
a[-100:100]
a[None]
a[:, None]
a[None, ..., None]
a[0, None, 1]
a[1, :, None, 2:4]
a[True]
a[()]
a[0][1][2]
v[2]
v[-1]
v[1:5:2]
v[:0]
v[None, :]
z[()]
z[...]
z[None]
a[torch.tensor(1)]
a[np.int64(1)]
a[:, torch.tensor(2)]
a[torch.tensor(0):torch.tensor(2)]
a.select(1, 2)
a.narrow(2, 1, 3)
a.unbind(1)
a.split(2, 1)
a.chunk(2, 2)
a[0].t()
a.transpose(0, 2)[1]
a.permute(2, 0, 1)[..., 0]
a.transpose(0, 1)[1:, ::2]
a.view(12, 5)[3]
a[:, 1:3].reshape(-1)
a[1].view(-1)
a.flatten()
a.flatten(1)
a.squeeze()
a[:1].squeeze(0)
a.unsqueeze(-1)
a.unsqueeze(1)
a[:, :1].expand(3, 4, 5)
a[:1, :1].expand(3, -1, 5)
a.view(-1)
a.view(4, -1)
a.view(3, 4, 5, 1)
a.reshape(6, 10)
a.transpose(0, 1).reshape(12, 5)
a.transpose(0, 1).contiguous()
a.movedim(0, 2)
a.swapaxes(0, 1)
a.T.shape if False else a[0].T
a.mT
a.unflatten(1, (2, 2))
a.numel()
len(a)
a[2].tolist()
a[torch.tensor([0, 2])]
a[[0, 2]]
a[:, [1, 3]]
a[torch.tensor([0, 1]), torch.tensor([2, 3])]
a[a > 30]
a[a % 2 == 0].sum()
f[f > 0]
v[torch.tensor([True, False, True, False, True, False])]
a[[[0, 1]]]
a[torch.tensor([[0, 1], [2, 0]])]
a[np.array([2, 0])]
a.index_select(1, torch.tensor([3, 0]))
a[range(2)]
a[[range(2), 1]]
a[(range(2), [1])]
a[[True, False, True]]
a[[[True, False, True]]]
a[[slice(0, 1), 0]]
a[[0, None]]
a[[0, 1],]
a[[]]
a[torch.tensor([])]
a[torch.tensor([0], dtype=torch.int8)]
a[torch.tensor([0, 2], dtype=torch.int32)]
a[torch.tensor([0, 1, 0], dtype=torch.uint8)]
a[torch.tensor(1, dtype=torch.uint8)]
a[torch.tensor(True)]
a[torch.tensor(1, dtype=torch.int8)]
a[np.array([[True, False, True, True]] * 3)]
a[np.array(2)]
a[np.bool_(True)]
a[False]
a[True, 0]
a[0, False]
a[:, True]
a[..., True, [0, 1]]
a[0, [0, 1], True]
a[None, [0, 1], None]
a[[0, 1], None, [0, 1]]
a[[0, 1], :, None, [0, 1]]
a[:, [0, 1], :, [0, 1]]
a[1:, [[0], [3]], [1, 2]]
a[[-1, 0], [-1], [-5, 4]]
a[torch.ones(3, 4, dtype=torch.bool)]
a[:, torch.tensor([True, False, True, True])]
a[torch.ones(3, 4, dtype=torch.bool), [0]]
a[:, torch.ones(4, 5, dtype=torch.bool)]
a[torch.zeros(3, 4, 5, dtype=torch.bool)]
a.transpose(0, 2)[[0, 1]]
a.transpose(0, 2)[:, [0, 1]]
a.permute(2, 0, 1)[[0, 1], :, [0, 1]]
a.transpose(1, 2)[:, torch.tensor([[0, 1], [1, 0]]).t()]
a.transpose(0, 1)[a.transpose(0, 1) > 20]
a.view(3, 2, 2, 5)[[0, 2], [1, 0], [0, 1], [4, 4]]
a[:, :0][[0, 1]]
a[[0, 1], [0, 1, 2]]
a[torch.ones(4, dtype=torch.bool)]
a[torch.ones(3, 4, 5, 2, dtype=torch.bool)]
a[[0], [0], [0], [0]]
a[torch.tensor(3)]
a[1j]
a[{}]
a[2**70]
a[0.5:1]
a[3]
a[-4]
a[0, 0, 0, 0]
a[..., ...]
a["x"]
a[1.5]
a[None, 9]
a[0:2:0]
a[::-1]
a[:, 7]
z[0]
z[:]
a[torch.tensor([3])]
a[torch.tensor([-4])]
a[torch.ones(2, dtype=torch.bool)]
a[torch.tensor([1.0])]
a.select(3, 0)
a.select(0, 3)
a.narrow(0, 1, 3)
a.narrow(0, -1, 1)
a.view(7, 9)
a.view(-1, -1)
a.view(-1, 7)
a.transpose(0, 1).view(-1)
a.transpose(0, 3)
a.permute(0, 1)
a.permute(0, 0, 1)
a.permute(0, 1, 5)
a.expand(2, 4, 5)
a.expand(4, 5)
a.expand(-1, 3, 4, 5)
a.unsqueeze(5)
a.squeeze(7)
a.split(0)
a.split([1, 1])
a.chunk(0)
a.reshape(-1, 0)
a.flatten(2, 1)
""".strip().splitlines()

WRITE = """
a[0] = 1
a[1, 2] = 7
a[1, 2, 3] = -1
a[:, 1] = 0
a[..., ::2] = 5
a[:] = 3
a[...] = a.flip(0)
a[0] = a[1]
a[0] = torch.arange(5)
a[0] = torch.arange(4).view(4, 1)
a[:, :, 0] = torch.tensor([1, 2, 3, 4])
a[1:, 2:] = torch.zeros(2, 2, 5, dtype=torch.int64)
a[0] = 2.7
a[0] = True
a[0] = torch.tensor(2.9)
a[0] = torch.full((5,), -1.5)
a[0] = np.arange(5)
a[None, 0] = 9
a[0, None] = 9
a[()] = 4
a[2:1] = 8
a[0][1] = 100
a.transpose(0, 2)[0] = 6
a.t()
v[2] = 3
v[::2] = -v[1::2]
v[1:] = v[:-1].clone()
v[3] = float("nan")
v[0] = 2**53
z[()] = 2
z[...] = 3
z.fill_(9)
f[f > 0] = 0
f[:, 1][f[:, 1] < 0] = 1
a[[0, 2]] = 0
a[torch.tensor([0, 2]), 1] = 5
a[a > 30] = -1
a[:, [0, 1]] = a[:, [1, 0]]
a[[0, 1]] = 1.5
a[[0, 1]] = torch.tensor(1.5)
a[[0, 1]] = torch.ones(2, 4, 5)
a[[0]] = 1j
a[[0]] = [1, 2, 3, 4, 5]
a[[0]] = torch.arange(3)
a[a > 3] = torch.arange(3)
a[a > 57] = torch.arange(2)
a[a > 57] = torch.tensor([7])
a[a > 57] = torch.tensor(7, dtype=torch.int32)
f[f > 0] = torch.tensor(2.0, dtype=torch.float64)
f[f[:, :, 0] > 0] = torch.arange(5.0)
f[:, torch.tensor([True, False, True, False])] = 1
f[:, f[0, :, 0] > 0] = f[0, 0]
f[False] = torch.ones(3)
f[True] = torch.ones(5)
f[f > 1000] = torch.ones(0)
f[[]] = torch.ones(3)
f[[0, 2], [1, 3], [4, 0]] = torch.tensor([1.0, 2.0])
f[[0, 2], 1:3, [4, 0]] = torch.arange(4.0).view(2, 2)
f[[-1], ..., 0] = torch.ones(1, 1, 4)
f[[1, 1, 1]] += 1
f[f > 0] *= 2
f[:, [0, 2]] -= f[:, [1, 3]]
f[0][[1, 2]] = 5
f.transpose(0, 2)[[0, 1]] = 3
f.transpose(0, 1)[f.transpose(0, 1) > 0] = -1
f[torch.tensor([9])] = 0
f.index_put_((torch.tensor([0, 0]),), torch.ones(5), accumulate=True)
f.index_put_((torch.tensor([0]), torch.tensor(1)), torch.tensor(1.0))
f.index_put_((f > 0,), torch.tensor(1.0))
f.index_put_((torch.tensor([0]),), torch.tensor([1.0], dtype=torch.float64))
v[torch.tensor([0, 0, 1])] = torch.tensor([1.0, 1.0, 2.0])
f[0] += 1
f[:, 1] *= 2
f[..., 2] -= f[..., 1]
f[0, 0, 0] /= 4
f.view(-1)[3:9] = 0
f[0].copy_(f[1])
f[0].zero_()
f[:, 0].fill_(2)
f[1:].add_(1)
f.narrow(0, 1, 1).mul_(3)
f.unsqueeze(0)[0, 1] = 8
f.select(1, 1).exp_()
f.permute(2, 1, 0)[0].neg_()
a[3] = 1
a[0] = torch.arange(3)
a[0] = torch.ones(2, 4, 5)
a[0] = "x"
a[0] = None
a[0] = [1, 2, 3, 4, 5]
a[:, 7] = 0
a[1.5] = 0
a[0, 0, 0, 0] = 1
z[0] = 1
v[2] = torch.ones(2)
v[2] = torch.ones(1)
v[2] = 1j
v[:2] = torch.ones(2, dtype=torch.complex64)
a.expand(2, 3, 4, 5)[0] = 1
torch.ones(1).expand(3)[0] = 2
torch.ones(1).expand(3).add_(1)
v[::-1] = 0
del v[0]
""".strip().splitlines()


@pytest.mark.parametrize("expression", READ)
def test_read(expression: str) -> None:
    hold(f"{SETUP}x = {expression}")


@pytest.mark.parametrize("expression", [e for e in READ if e.startswith(("a", "v", "z"))][:80])
def test_write_through_a_view(expression: str) -> None:
    """What is a view of `a` shows it: writing to it writes to `a`."""
    hold(
        f"{SETUP}x = {expression}\n_y = x[0] if isinstance(x, tuple) else x\nif torch.is_tensor(_y): _y.fill_(99)"
    )


@pytest.mark.parametrize("statement", WRITE)
def test_write(statement: str) -> None:
    hold(f"{SETUP}{statement}")


@pytest.mark.parametrize("statement", WRITE)
def test_a_failed_write_changes_nothing(statement: str) -> None:
    hold(
        f"{SETUP}\n_before = a.clone(), v.clone()\ntry:\n    {statement}\nexcept Exception:\n    same = torch.equal(a, _before[0])"
    )


@pytest.mark.parametrize("expression", READ)
def test_gradient(expression: str) -> None:
    program = f"""{SETUP}
a = a.float().requires_grad_()
x = {expression}
if torch.is_tensor(x) and x.requires_grad:
    (x * x).sum().backward()
g = a.grad
"""
    hold(program)


@pytest.mark.parametrize("statement", WRITE)
def test_gradient_through_a_write(statement: str) -> None:
    program = f"""
_a = torch.arange(60.0).view(3, 4, 5).requires_grad_()
_v = torch.arange(6.0).requires_grad_()
_f = t(3, 4, 5).requires_grad_()
_z = torch.tensor(5.0, requires_grad=True)
a, v, f, z = _a * 1, _v * 1, _f * 1, _z * 1
{statement}
((a * a).sum() + (v * v).sum() + (f * f).sum() + z * z).backward()
grads = _a.grad, _v.grad, _f.grad, _z.grad
"""
    hold(program)


def made_up(seed: int) -> tuple[str, str]:
    """A tensor's sizes and an index expression for it, made of everything that may stand in one."""
    rng = random.Random(seed)
    sizes = [rng.choice((1, 2, 3, 4)) for _ in range(rng.randint(1, 4))]
    common = rng.choice(("2", "1", "2, 2"))
    items: list[str] = []
    d = 0
    ellipsis_at = rng.randrange(len(sizes)) if rng.random() < 0.3 else None
    while d < len(sizes):
        n = sizes[d]
        if ellipsis_at == d:
            items.append("...")
            d += rng.randint(0, len(sizes) - d)
            ellipsis_at = None
            continue
        kind = rng.choice(
            ("int", "slice", "slice", "none", "indices", "indices", "list", "mask", "mask2", "all")
        )
        if kind == "none":
            items.append("None")
            continue
        if kind == "int":
            items.append(str(rng.randrange(-n, n)))
        elif kind == "slice":
            bounds = [str(rng.randint(-n - 1, n + 1)) if rng.random() < 0.6 else "" for _ in range(2)]
            items.append(f"{bounds[0]}:{bounds[1]}" + (":2" if rng.random() < 0.3 else ""))
        elif kind == "indices":
            items.append(f"torch.from_numpy(_r.integers({-n}, {n}, ({common},)))")
        elif kind == "list":
            items.append(str([rng.randrange(-n, n) for _ in range(2)]))
        elif kind == "mask":
            items.append(f"torch.from_numpy(_r.random({n}) > 0.3)")
        elif kind == "mask2" and d + 1 < len(sizes):
            items.append(f"torch.from_numpy(_r.random(({n}, {sizes[d + 1]})) > 0.4)")
            d += 1
        else:
            items.append(":")
        d += 1
        if rng.random() < 0.15:
            break
    return ", ".join(map(str, sizes)), ", ".join(items)


@pytest.mark.parametrize("seed", range(150))
def test_made_up(seed: int) -> None:
    """Read, written, added to, and differentiated twice, for a contiguous and another tensor."""
    sizes, index = made_up(seed)
    program = f"""
_n = len(({sizes},))
x = t({sizes}).requires_grad_()
_r = np.random.default_rng({seed})
y = x[{index}]
(g,) = torch.autograd.grad((y * y * y).sum(), x, create_graph=True)
h = torch.autograd.grad((g * g).sum(), x)
_r = np.random.default_rng({seed})
z = x.detach().permute(*range(_n - 1, -1, -1)).contiguous().permute(*range(_n - 1, -1, -1))[{index}]
z = z.contiguous()
_r = np.random.default_rng({seed})
a = x * 1
a[{index}] = 5.0
(a * a).sum().backward()
r = x.grad
_r = np.random.default_rng({seed})
b = x.detach().clone()
b[{index}] = torch.full_like(y, 2.0).detach()
"""
    hold(program)
