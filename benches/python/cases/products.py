"""Matrix products."""

from __future__ import annotations

from .case import Case


def product(m: int, k: int, n: int, what: str = "a @ b", setup: str = "", name: str = "") -> Case:
    setup = setup or f"a = torch.randn({m}, {k}); b = torch.randn({k}, {n})"
    name = name or f"matrix product {m} x {k} x {n}"
    return Case(name, 1, setup, what, f"({what})[..., :2, :8]", 2.0 * m * k * n)


def cases() -> list[Case]:
    found = [product(n, n, n) for n in (64, 128, 256, 512, 1024, 2048)]
    found += [product(*size) for size in ((4096, 64, 4096), (4096, 4096, 64), (64, 4096, 64), (8192, 32, 32))]
    found += [
        product(*size) for size in ((1000, 500, 300), (127, 255, 511), (8, 1024, 1024), (1, 1024, 1024))
    ]
    turned = "a = torch.randn({0}, {0}); b = torch.randn({0}, {0})"
    for n in (256, 1024):
        for what in ("a.t() @ b", "a @ b.t()", "a.t() @ b.t()"):
            found.append(product(n, n, n, what, turned.format(n), f"{what}, {n} x {n}"))
    found += [
        product(
            1024,
            1024,
            32,
            "(a @ v)[None]",
            "a = torch.randn(1024, 1024); v = torch.randn(1024)",
            "a @ v, 1024 x 1024",
        ),
        product(
            1024,
            1024,
            32,
            "(a.t() @ v)[None]",
            "a = torch.randn(1024, 1024); v = torch.randn(1024)",
            "a.t() @ v, 1024 x 1024",
        ),
        product(
            32 * 128,
            128,
            128,
            "a @ b",
            "a = torch.randn(32, 128, 128); b = torch.randn(32, 128, 128)",
            "batch of 32 products of 128 x 128",
        ),
        product(
            64 * 256,
            64,
            256,
            "a @ b.transpose(1, 2)",
            "a = torch.randn(64, 256, 64); b = torch.randn(64, 256, 64)",
            "batch of 64 products of 256 x 64 x 256",
        ),
        product(
            1000 * 16,
            16,
            16,
            "a @ b",
            "a = torch.randn(1000, 16, 16); b = torch.randn(1000, 16, 16)",
            "batch of 1000 products of 16 x 16",
        ),
        product(
            512,
            512,
            512,
            "a @ b",
            "a, b = torch.randn(2, 512, 512, dtype=torch.float64)",
            "matrix product 512 x 512 x 512, float64",
        ),
        product(
            512,
            512,
            512 * 4,
            "torch.view_as_real(a @ b)",
            "a, b = torch.randn(2, 512, 512, dtype=torch.complex64)",
            "matrix product 512 x 512 x 512, complex64",
        ),
        product(
            512,
            512,
            512,
            "a @ b",
            "a, b = torch.randn(2, 512, 512).to(torch.bfloat16)",
            "matrix product 512 x 512 x 512, bfloat16",
        ),
        product(
            256,
            256,
            256,
            "a @ b",
            "a, b = torch.randint(0, 99, (2, 256, 256))",
            "matrix product 256 x 256 x 256, int64",
        ),
        product(
            512,
            512,
            512,
            "torch.addmm(c, a, b)",
            "c, a, b = torch.randn(3, 512, 512)",
            "addmm 512 x 512 x 512",
        ),
        product(
            512,
            512,
            512,
            "torch.einsum('ij,kj->ik', a, b)",
            "a, b = torch.randn(2, 512, 512)",
            "einsum ij,kj->ik, 512",
        ),
    ]
    for rows, inputs, outputs in ((512, 768, 3072), (64, 784, 512), (32, 768, 768), (1, 784, 512)):
        name = f"Linear({inputs}, {outputs}) of {rows} rows"
        setup = f"net = nn.Linear({inputs}, {outputs}); x = torch.randn({rows}, {inputs})"
        flops = 2.0 * rows * inputs * outputs
        inference = setup + "; net.requires_grad_(False)"
        found.append(Case(name, 1, inference, "net(x)", "net(x)[..., :8]", flops))
        training = setup + "; x.requires_grad_()"
        result = "(net(x).sum().backward(), net.weight.grad[:8, :8])[1]"
        found.append(
            Case(f"{name}, forward and backward", 1, training, "net(x).sum().backward()", result, 3 * flops)
        )
    return found


CASES = cases()
