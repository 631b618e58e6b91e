"""Element by element: arithmetic, functions, comparisons, casts, copies, transposes, broadcasts."""

from __future__ import annotations

from .case import Case

FOUR = 4  # bytes of a float32
# Statement, and bytes read and written an element.
FLAT = {
    "x + y": 12,
    "x * 2": 8,
    "x / y": 12,
    "x.add_(y)": 12,
    "x.sqrt()": 8,
    "x.exp()": 8,
    "x.log()": 8,
    "x.sin()": 8,
    "x.tanh()": 8,
    "x.sigmoid()": 8,
    "x ** 2": 8,
    "x ** 2.5": 8,
    "x.clamp(-1, 1)": 8,
    "x.relu()": 8,
    "F.gelu(x)": 8,
    "F.silu(x)": 8,
    "torch.erf(x)": 8,
    "torch.addcmul(x, x, y)": 12,
    "torch.lerp(x, y, 0.3)": 12,
    "x.abs()": 8,
    "x > 0": 5,
    "torch.where(m, x, y)": 13,
    "x.masked_fill(m, 0.0)": 9,
    "m & ~m": 4,
    "i + i": 24,
    "i // 3": 16,
    "x.clone()": 8,
    "x.to(torch.float64)": 12,
    "x.to(torch.bfloat16)": 6,
    "x.to(torch.int64)": 12,
    "i.to(torch.float32)": 12,
    "m.to(torch.float32)": 5,
    "torch.cat([x, y])": 16,
    "torch.zeros_like(x)": 4,
    "h + h": 6,
    "F.dropout(x, 0.0)": 8,
}
OUT_OF_ORDER = {
    "x.t().contiguous()": 8,
    "x + y.t()": 12,
    "x + row": 8,
    "x * column": 8,
    "x[::2, ::2].contiguous()": 4,
    "x.flip(0)": 8,
    "x.roll(3, 1)": 8,
    "x[:, 1:-1] + 1": 8,
    "x.repeat(2, 1)": 12,
    "x.tril()": 6,
    "x[m]": 9,
    "x.index_select(0, p)": 8,
    "x.gather(1, g)": 16,
    "x[p]": 8,
}


def cases() -> list[Case]:
    found = []
    for count, name in ((1 << 20, "1M"), (1 << 24, "16M")):
        setup = (
            f"x = torch.rand({count}) + 0.1; y = torch.rand({count}) + 0.1; m = x > 0.6\n"
            f"i = torch.arange({count}); h = x.to(torch.bfloat16)"
        )
        for statement, moved in FLAT.items():
            result = f"({statement})[:64]"
            found.append(Case(f"{statement}, {name}", 1, setup, statement, result, moved * count, "B"))
    for n in (1024, 4096):
        setup = (
            f"x = torch.randn({n}, {n}); y = torch.randn({n}, {n}); row = torch.randn({n})\n"
            f"column = torch.randn({n}, 1); m = x > 0; p = torch.randperm({n})\n"
            f"g = torch.randint(0, {n}, ({n}, {n}))"
        )
        for statement, moved in OUT_OF_ORDER.items():
            name = f"{statement}, {n} x {n}"
            found.append(
                Case(
                    name,
                    1,
                    setup,
                    statement,
                    f"({statement})[:8, :8]" if statement != "x[m]" else "x[m][:64]",
                    moved * n * n,
                    "B",
                )
            )
    images = "x = torch.randn(8, 64, 56, 56)"
    for statement, result in {
        "x.permute(0, 2, 3, 1).contiguous()": "x.permute(0, 2, 3, 1).contiguous()[0, :2, :8]",
        "x.to(memory_format=torch.channels_last)": "x.to(memory_format=torch.channels_last)[0, :2, :8]",
        "x + bias": "(x + bias)[0, :8, 0]",
    }.items():
        setup = images + "; bias = torch.randn(64, 1, 1)"
        name = f"{statement}, 8 x 64 x 56 x 56"
        found.append(Case(name, 1, setup, statement, result, 8 * 8 * 64 * 56 * 56, "B"))
    return found


CASES = cases()
