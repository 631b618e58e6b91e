"""Factorisations and what is made of them, where a plain sample does not do: vectors are known up to signs or
phases, so that what is compared does not depend on them; and matrices that have no inverse or no factor."""

from __future__ import annotations

import pytest

from parity.data import Data
from parity.programs import CANDIDATE, hold

# `y` of a matrix or a batch `x`, with its first and second gradients.
DIFFERENTIABLE = {
    "svd: values": ("t(4, 3)", "torch.linalg.svd(x)[1]"),
    "svd: projector": (
        "t(4, 3)",
        "(lambda u, s, v: u[..., :2] @ u[..., :2].transpose(-1, -2) + s.sum())(*torch.svd(x))",
    ),
    "svd: wide": (
        "t(2, 2, 4)",
        "(lambda u, s, v: (u * s.unsqueeze(-2).exp()) @ v)(*torch.linalg.svd(x, False))",
    ),
    "eigh: values": ("t(3, 3)", "torch.linalg.eigh(x)[0]"),
    "eigh: projector": (
        "t(3, 3)",
        "(lambda l, v: v[:, :1] @ v[:, :1].transpose(0, 1) + l.sum())(*torch.linalg.eigh(x, 'U'))",
    ),
    "eig: values": ("t(3, 3)", "torch.linalg.eigvals(x).abs().sum()"),
    "eig: reconstruction": (
        "t(3, 3)",
        "(lambda l, v: (v * l.exp()) @ torch.linalg.inv(v))(*torch.linalg.eig(x)).real",
    ),
    "det: of rank 2": ("(lambda a: a.T @ a)(ints(2, 3, low=-3, high=4).double())", "torch.linalg.det(x)"),
    "matrix_exp": ("nc(2, 3, 3)", "torch.matrix_exp(x)"),
    "matrix_exp: large": ("10 * t(3, 3)", "torch.linalg.matrix_exp(x).log1p().nan_to_num()"),
    "cholesky_inverse": ("t(3, 3)", "torch.cholesky_inverse(x, upper=True)"),
    "householder_product": ("t(4, 3)", "torch.linalg.householder_product(x, x[0])"),
    "multi_dot": ("t(3, 3)", "torch.linalg.multi_dot([x[0], x, x, x[1]])"),
    "lstsq": ("t(4, 3)", "torch.linalg.lstsq(x, x[:, :1] + 1)[0]"),
    "rank of a product": ("t(3, 3)", "torch.linalg.matrix_norm(x @ x, 'nuc')"),
    "solve: many, from the right": ("t(2, 3, 3)", "torch.linalg.solve(x, x[:, :2], left=False)"),
    "lu_solve": ("t(3, 3)", "torch.linalg.lu_solve(*torch.linalg.lu_factor(x), x[:, :2] * 2)"),
    "stft and back": (
        "t(24)",
        "torch.istft(torch.stft(x, 8, 2, window=torch.hann_window(8, dtype=x.dtype), return_complex=True).exp(), 8, 2, window=torch.hann_window(8, dtype=x.dtype))",
    ),
}


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradients(case: str) -> None:
    made, y = DIFFERENTIABLE[case]
    hold(
        f"x = ({made}).detach().requires_grad_()\ny = {y}\n"
        "_w = torch.linspace(1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)\n"
        "g, = torch.autograd.grad((y * _w).sum(), x, create_graph=True)\n"
        "h = torch.autograd.grad((g * g).sum(), x)[0] if g.requires_grad else None\n"
        "g = g.detach()",
        dtype="float64",
        strides=False,
        rtol=1e-6,
        atol=1e-7,
    )


# The value alone: empty matrices, integers, what PyTorch gives no gradient of.
VALUES = """
torch.linalg.inv(torch.zeros(0, 0)) | torch.linalg.inv(torch.zeros(2, 0, 3, 3)) | torch.linalg.det(torch.zeros(0, 0))
torch.linalg.slogdet(torch.zeros(2, 0, 0)) | torch.linalg.svdvals(torch.zeros(0, 3)) | torch.linalg.pinv(torch.zeros(0, 3))
torch.linalg.matrix_rank(torch.zeros(2, 0, 3)) | torch.linalg.cholesky(torch.zeros(0, 0)) | torch.linalg.qr(torch.zeros(0, 3))
torch.linalg.solve(torch.zeros(0, 0), torch.zeros(0, 2)) | torch.linalg.eigvalsh(torch.zeros(0, 0))
torch.linalg.cond(torch.zeros(2, 0, 0)) | torch.linalg.cond(t(3, 3), 1) | torch.linalg.cond(t(2, 3, 3), 'fro')
torch.linalg.cond(torch.ones(2, 2), 1) | torch.vander(t(3)) | torch.vander(torch.arange(4), N=3, increasing=True)
torch.linalg.lstsq(t(5, 3), t(5, 2), driver='gelsd') | torch.linalg.lstsq(t(2, 3, 4), t(2, 3, 2), driver='gels')
torch.linalg.matrix_rank(torch.ones(3, 3)) | torch.linalg.matrix_rank(t(2, 3, 3), tol=torch.tensor(1.0))
torch.linalg.pinv(t(3, 4), rtol=torch.tensor(0.5)) | torch.linalg.pinv(t(3, 3) + 1, 0.1)
torch.linalg.norm(torch.zeros(0, 3), 1) | torch.linalg.norm(torch.zeros(0, 3), 2) | torch.linalg.norm(torch.zeros(3, 0), inf)
torch.linalg.inv_ex(torch.ones(2, 2))[1] | torch.linalg.cholesky_ex(-torch.eye(3))[1] | torch.lu(t(3, 3)) | torch.lu(t(3, 3), get_infos=True)
torch.lu(t(3, 3), out=(torch.empty(3, 3), torch.empty(3, dtype=torch.int64))) | torch.lobpcg(torch.diag(t(7)), 2)[0]
list(torch.lu(t(3, 3), get_infos=True, out=[torch.empty(0), torch.empty(0, dtype=torch.int32), torch.empty(0, dtype=torch.int32)]))
torch.geqrf(t(3, 2), out=(torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.complex64)))
torch.linalg.lstsq(t(5, 3), t(5, 2), out=(torch.empty(0, dtype=torch.complex64), torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int32), torch.empty(0)))
torch.linalg.ldl_factor(torch.zeros(0, 3, 3)) | torch.linalg.ldl_factor_ex(torch.zeros(2, 3, 3)) | torch.linalg.ldl_factor(torch.zeros(0, 0))
torch.linalg.lu_factor_ex(torch.zeros(3, 3))[2] | torch.einsum(t(2, 3), [0, 1], t(3, 4), [1, 2], [2, 0])
torch.einsum('...ij,...j->...i', t(2, 3, 4), t(4)) | torch.einsum('ii', t(3, 3)) | torch.einsum('i,j', [t(2), t(3)])
torch.einsum('bn,anm,bm->ba', t(2, 5), t(3, 5, 4), t(2, 4)) | torch.tensordot(t(2, 3), t(3, 2), torch.tensor([[1], [0]]))
torch.cdist(t(40, 3), t(50, 3)) | torch.fft.fftshift(torch.arange(6))
torch.signal.windows.general_cosine(6, a=[0.5, 0.3, 0.2]) | torch.signal.windows.general_cosine(5, a=(0.5,), sym=False)
"""


@pytest.mark.parametrize("call", [c.strip() for c in VALUES.replace("\n", "|").split("|") if c.strip()])
def test_values(call: str) -> None:
    hold(f"result = {call}", strides=False, rtol=1e-4, atol=1e-5)


BAD = """
torch.linalg.inv(torch.ones(2, 2)) | torch.linalg.inv(torch.ones(3, 2, 2)) | torch.linalg.inv(t(2, 3)) | torch.linalg.inv(t(2))
torch.linalg.inv(torch.ones(2, 2).half()) | torch.linalg.inv(ints(2, 2)) | torch.linalg.solve(torch.ones(2, 2), t(2))
torch.linalg.solve(t(2, 2), t(3)) | torch.linalg.solve(t(3, 3), t(3), left=False) | torch.linalg.solve(t(2, 2), t(2).double())
torch.linalg.cholesky(-torch.eye(3)) | torch.cholesky(-torch.eye(3)) | torch.linalg.cholesky_ex(-torch.eye(3), check_errors=True)
torch.linalg.svd(torch.full((3, 3), nan)) | torch.linalg.eigh(torch.full((3, 3), nan)) | torch.linalg.eig(torch.full((3, 3), inf))
torch.linalg.eigh(t(3, 3), 'X') | torch.linalg.qr(t(3, 3), 'foo') | torch.linalg.svd(t(3)) | torch.linalg.svd(t(3, 3), driver='gesvd')
torch.linalg.ldl_factor(t(2, 3)) | torch.linalg.ldl_factor(t(3)) | torch.linalg.ldl_factor(ints(3, 3))
torch.linalg.ldl_solve(t(2, 2), ints(2), t(2, 2).double())
torch.linalg.ldl_solve(t(2, 2), ints(3), t(2, 2)) | torch.linalg.ldl_solve(t(2, 2), ints(2), t(3, 2)) | torch.linalg.ldl_solve(t(2, 2), ints(2), t(2))
torch.linalg.ldl_factor(t(3, 3).requires_grad_())[0].sum().backward() | torch.lobpcg(t(5, 5), 2) | torch.geqrf(t(2, 2), out=(torch.empty(0, dtype=torch.int32), torch.empty(0)))
torch.linalg.lu_factor(torch.zeros(3, 3)) | torch.linalg.lu(t(3, 3), pivot=False) | torch.linalg.lstsq(t(4, 3), t(5, 4, 2))
torch.linalg.lstsq(t(4, 3), t(4), driver='x') | torch.linalg.matrix_power(torch.ones(2, 2), -1) | torch.linalg.matrix_power(t(2, 3), 2)
torch.linalg.tensorinv(t(4, 6), 0) | torch.linalg.tensorinv(t(4, 6)) | torch.linalg.tensorsolve(t(2, 3, 4), t(2)) | torch.linalg.vander(t(3), N=1)
torch.linalg.matrix_norm(t(3, 4), 3) | torch.linalg.matrix_norm(t(3, 4), 'x') | torch.linalg.matrix_norm(t(3)) | torch.linalg.matrix_norm(t(2, 3), dim=(0, 0))
torch.linalg.norm(t(2, 3, 4), 1) | torch.linalg.norm(t(3), 'fro') | torch.linalg.cond(t(3, 3), 3) | torch.linalg.cond(t(3, 4), 1)
torch.linalg.pinv(ints(2, 2)) | torch.linalg.householder_product(t(3, 4), t(2)) | torch.linalg.solve_triangular(t(3, 3), t(2, 3), upper=True)
torch.cholesky_solve(t(4, 2), t(3, 3)) | torch.linalg.multi_dot([t(3, 4)]) | torch.linalg.multi_dot([t(3, 4), t(5, 6)]) | torch.chain_matmul(t(3), t(3, 4))
torch.einsum('ij,jk', t(2, 3)) | torch.einsum('i->j', t(3)) | torch.einsum('ij', t(3)) | torch.einsum('i$', t(3)) | torch.einsum('ij,jk', t(2, 3), t(4, 5))
torch.tensordot(t(2, 3), t(4, 5), 1) | torch.tensordot(t(2), t(2), -1) | torch.cross(t(4), t(4)) | torch.linalg.cross(t(3), t(2, 3)) | torch.vdot(t(3), t(4))
torch.cdist(t(3), t(3, 3)) | torch.cdist(t(3, 4), t(3, 5)) | torch.cdist(t(3, 4), t(3, 4), p=-1) | torch.cdist(t(3, 4), t(3, 4), compute_mode='x')
torch.fft.fft(t(0)) | torch.fft.fft(t(3), n=0) | torch.fft.fft(t(3), norm='x') | torch.fft.fft(t(4).half()) | torch.fft.rfft(t(4).cfloat()) | torch.fft.fft(t())
torch.fft.fftn(t(3, 4), s=(2,), dim=(0, 1)) | torch.fft.fftn(t(3, 4), dim=(0, 0)) | torch.fft.fftn(t(3, 4), s=(2, 2, 2)) | torch.fft.irfft(t(1))
torch.stft(t(20), 8) | torch.stft(t(20), 30, center=False, return_complex=True) | torch.stft(t(20), 8, 0, return_complex=True) | torch.stft(t(2, 2, 20), 8)
torch.istft(t(5, 4), 8) | torch.istft(t(5, 4).cfloat(), 16) | torch.istft(t(5, 4).cfloat(), 8, 0) | torch.istft(t(5, 4).cfloat(), 8, center=False, window=torch.hann_window(8))
torch.hann_window(-1) | torch.hann_window(3, dtype=torch.int32) | torch.signal.windows.hann(-1) | torch.signal.windows.gaussian(4, std=-1.0)
torch.signal.windows.general_cosine(4, a=[]) | torch.signal.windows.general_cosine(4, a=3) | torch.signal.windows.hann(3, dtype=torch.float16)
"""


@pytest.mark.parametrize("call", [c.strip() for c in BAD.replace("\n", "|").split("|") if c.strip()])
def test_errors(call: str) -> None:
    hold(f"result = {call}")


@pytest.mark.parametrize("size", ["1, 1", "2, 2", "3, 7, 7", "20, 20", "70, 70"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("hermitian", [False, True])
def test_symmetric_factors(size: str, dtype: str, hermitian: bool) -> None:
    """Pivots of one and of two, and solutions."""
    n = size.split(",")[-1].strip()
    exact = dtype in ("float64", "complex128")
    hold(
        f"""
_a = t({size}, dtype=torch.{dtype})
_a = _a + {"_a.mH" if hermitian else "_a.mT"} - torch.eye({n}) * {0 if n == "1" else 1}
factors = torch.linalg.ldl_factor_ex(_a, hermitian={hermitian})
_b = t({size}, dtype=torch.{dtype})[..., :2]
x = torch.linalg.ldl_solve(*factors[:2], _b, hermitian={hermitian})
""",
        strides=False,
        rtol=1e-7 if exact else 2e-2,
        atol=1e-7 if exact else 2e-3,
    )


@pytest.mark.parametrize(
    "options", ["", ", largest=False", ", B=_b", ", n=4", ", niter=200, tol=1e-9, method='basic'"]
)
def test_extreme_eigenvalues(options: str) -> None:
    hold(
        f"""
torch.manual_seed(0)
_a = t(2, 15, 15, dtype=torch.float64)
_a, _b = _a @ _a.mT, torch.eye(15, dtype=torch.float64).expand(2, 15, 15) + 0.1
e, _x = torch.lobpcg(_a, 3{options})
e2 = torch.lobpcg(_a[0], X=t(15, 2, dtype=torch.float64){options.replace(", n=4", "").replace("_b", "_b[0]")})[0]
shape = _x.shape
_b = _b if {"_b" in options} else torch.eye(15, dtype=torch.float64)
residual = ((_a @ _x - _b @ _x * e[:, None]).abs() < 1e-5).all()
""",
        strides=False,
        rtol=1e-6,
        atol=1e-8,
    )


@pytest.mark.parametrize("hermitian", [False, True])
def test_gradient_of_solutions_by_symmetric_factors(hermitian: bool) -> None:
    """PyTorch has none: that of linalg.solve."""
    data = Data(CANDIDATE, dtype="complex128")
    a, b = data.t(2, 4, 4), data.t(4, 3).requires_grad_()
    a = a + (a.mH if hermitian else a.mT)
    found = []
    for x in (
        CANDIDATE.linalg.ldl_solve(
            *CANDIDATE.linalg.ldl_factor(a, hermitian=hermitian), b, hermitian=hermitian
        ),
        CANDIDATE.linalg.solve(a, b),
    ):
        found.append(CANDIDATE.autograd.grad((x * (1 + 2j)).real.pow(3).sum(), b)[0])
    assert CANDIDATE.allclose(found[0], found[1], rtol=1e-8)


def test_singular_symmetric_matrices_are_named() -> None:
    """PyTorch fails an assertion of its own."""
    with pytest.raises(CANDIDATE.linalg.LinAlgError, match=r"Batch element 1.*block 1 of D is zero"):
        CANDIDATE.linalg.ldl_factor(CANDIDATE.stack([CANDIDATE.eye(2), CANDIDATE.zeros(2, 2)]))
