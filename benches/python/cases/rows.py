"""Reductions, softmax, norms of rows, cross-entropy, scans, sorting, selection."""

from __future__ import annotations

from .case import Case

# Statement, its goal where it is not 1, what is compared.
MATRIX = {
    "x.sum()": 0.95,
    "x.sum(0)": 0.95,
    "x.sum(1)": 0.95,
    "x.mean()": 0.95,
    "x.prod(1)": 1,
    "x.max()": 1,
    "x.max(1)[0]": 1,
    "x.max(0)[0]": 1,
    "x.argmax(1)": 1,
    "x.argmax()": 1,
    "x.amin(1)": 1,
    "x.var()": 1,
    "x.std(1)": 1,
    "x.var(0)": 1,
    "x.norm()": 1,
    "torch.linalg.vector_norm(x, dim=1)": 1,
    "(x > 0).sum()": 1,
    "(x > 9).any()": 1,
    "(x > -9).all(1)": 1,
    "x.logsumexp(1)": 1,
    "x.softmax(1)": 1,
    "x.softmax(0)": 1,
    "x.log_softmax(1)": 1,
    "x.cumsum(1)": 1,
    "x.cumsum(0)": 1,
    "x.sigmoid().cumprod(1)": 1,
    "x.cummax(1)[0]": 1,
    "x.sort(1)[0]": 1,
    "x.sort(0)[0]": 1,
    "x.topk(10)[0]": 1,
    "x.median(1)[0]": 1,
    "x.kthvalue(7)[0]": 1,
    "F.layer_norm(x, (x.shape[1],), w, b)": 1,
    "F.rms_norm(x, (x.shape[1],), w)": 1,
    "F.normalize(x)": 1,
    "x.to(torch.bfloat16).sum(1)": 1,
    "torch.cdist(x[:256], x[256:512])": 1,
}
FLAT = {
    "x.sort()[0]": "x.sort()[0][:64]",
    "x.argsort()": "x[x.argsort()][:64]",
    "x.topk(100)[0]": "x.topk(100)[0][:64]",
    "i.unique()": "i.unique()[:64]",
    "i.sort()[0]": "i.sort()[0][:64]",
    "i.bincount()": "i.bincount()[:64]",
    "x.histc(100)": "x.histc(100)[:64]",
    "m.nonzero()": "m.nonzero()[:32]",
    "torch.searchsorted(s, x)": "torch.searchsorted(s, x)[:64]",
    "x.cumsum(0)": "x.cumsum(0)[:64]",
    "i.sum()": "i.sum()",
    "torch.zeros(1000).index_add_(0, i, x)": "torch.zeros(1000).index_add_(0, i, x)[:64] / 1000",
    "torch.zeros(1000).scatter_add_(0, i, x)": "torch.zeros(1000).scatter_add_(0, i, x)[:64] / 1000",
}
BACKWARD = {
    "softmax": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.softmax(1).square().sum()"),
    "log_softmax": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.log_softmax(1).square().sum()"),
    "layer norm": (
        "x = torch.randn(1024, 1024, requires_grad=True); w = torch.ones(1024, requires_grad=True)\n"
        "b = torch.zeros(1024, requires_grad=True)",
        "F.layer_norm(x, (1024,), w, b).square().sum()",
    ),
    "RMS norm": (
        "x = torch.randn(1024, 1024, requires_grad=True); w = torch.ones(1024, requires_grad=True)",
        "F.rms_norm(x, (1024,), w).square().sum()",
    ),
    "cross-entropy 1024 x 32000": (
        "x = torch.randn(1024, 32000, requires_grad=True); t = torch.randint(0, 32000, (1024,))",
        "F.cross_entropy(x, t)",
    ),
    "cross-entropy 128 x 1000": (
        "x = torch.randn(128, 1000, requires_grad=True); t = torch.randint(0, 1000, (128,))",
        "F.cross_entropy(x, t)",
    ),
    "cross-entropy 64 x 10": (
        "x = torch.randn(64, 10, requires_grad=True); t = torch.randint(0, 10, (64,))",
        "F.cross_entropy(x, t)",
    ),
    "binary cross-entropy 1M": (
        "x = torch.randn(1 << 20, requires_grad=True); t = torch.rand(1 << 20)",
        "F.binary_cross_entropy_with_logits(x, t)",
    ),
    "mean squared error 1M": (
        "x = torch.randn(1 << 20, requires_grad=True); t = torch.rand(1 << 20)",
        "F.mse_loss(x, t)",
    ),
    "std": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.std(1).sum()"),
    "cumsum": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.cumsum(1).sum()"),
    "max": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.max(1)[0].sum()"),
    "logsumexp": ("x = torch.randn(1024, 1024, requires_grad=True)", "x.logsumexp(1).sum()"),
}


def cases() -> list[Case]:
    found = []
    for n in (1024, 4096):
        setup = f"x = torch.randn({n}, {n}); w = torch.ones({n}); b = torch.zeros({n})"
        for statement, goal in MATRIX.items():
            scale = n if statement in ("x.sum()", "x.mean()") else 1
            result = f"({statement}).flatten()[:64] / {scale}.0"
            found.append(Case(f"{statement}, {n} x {n}", goal, setup, statement, result, 4 * n * n, "B"))
    setup = (
        "x = torch.rand(1 << 20); i = torch.randint(0, 1000, (1 << 20,)); m = x > 0.5\n"
        "s = torch.linspace(0, 1, 1000)"
    )
    found += [Case(f"{statement}, 1M", 1, setup, statement, result) for statement, result in FLAT.items()]
    for name, (setup, loss) in BACKWARD.items():
        result = f"({loss}.backward(), x.grad.flatten()[:64])[1]"
        found.append(Case(f"{name}, forward and backward", 1, setup, f"{loss}.backward()", result))
    return found


CASES = cases()
