"""Linear algebra on a GPU does what the CPU does: the same values, gradients and errors; where signs and phases are
free, the factors are as good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rustnn as torch

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
# One leaf of the recursions, and several.
SIZES = [1, 5, 33, 70]
INF, NAN = float("inf"), float("nan")


def numbers(*sizes: int, dtype: Any = torch.float64, seed: int = 0) -> Any:
    """Normal numbers on the CPU."""
    torch.manual_seed(seed + sum(sizes))
    return torch.randn(sizes, dtype=dtype)


def regular(n: int, *batch: int, dtype: Any = torch.float64, seed: int = 0) -> Any:
    """Matrices that are well-conditioned, and need exchanges of rows."""
    a = numbers(*batch, n, n, dtype=dtype, seed=seed) + 3 * n**0.5 * torch.eye(n, dtype=dtype).flip(0)
    return a / n**0.5


def definite(n: int, *batch: int, dtype: Any = torch.float64) -> Any:
    a = numbers(*batch, n, n, dtype=dtype)
    return a @ a.mH / n + torch.eye(n, dtype=dtype)


def near(t: Any) -> float:
    return 1e-9 if t.dtype in (torch.float64, torch.complex128) else 3e-5


def same(expected: Any, got: Any, what: Any = "") -> None:
    """Results of two calls, and all that is in them."""
    if isinstance(expected, (tuple, list)):
        assert len(expected) == len(got)
        for e, g in zip(expected, got, strict=True):
            same(e, g, what)
        return
    assert got.is_cuda
    assert (expected.dtype, expected.shape) == (got.dtype, got.shape), (what, expected, got)
    e, g = expected.detach(), got.detach().cpu()
    if e.is_floating_point() or e.is_complex():
        assert torch.allclose(e, g, rtol=near(e), atol=near(e), equal_nan=True), (what, (e - g).abs().max())
    else:
        assert torch.equal(e, g), (what, e, g)


def on_gpu(arguments: tuple[Any, ...]) -> list[Any]:
    return [a.detach().cuda() if isinstance(a, torch.Tensor) else a for a in arguments]


def held(function: Callable[..., Any], *arguments: Any) -> None:
    """The same results on both devices, or the same error."""
    try:
        expected = function(*arguments)
    except Exception as error:
        with pytest.raises(type(error)) as caught:
            function(*on_gpu(arguments))
        assert str(caught.value) == str(error)
        return
    same(expected, function(*on_gpu(arguments)), function)


def gradients_held(function: Callable[..., Any], *arguments: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        leaves = [a.detach().to(device).requires_grad_() for a in arguments]
        results = function(*leaves)
        results = [r for r in (results if isinstance(results, tuple) else (results,)) if r.requires_grad]
        weights = [numbers(*r.shape, dtype=r.dtype, seed=9).to(device) for r in results]
        grads = torch.autograd.grad(results, leaves, weights, allow_unused=True)
        found.append([g for g in grads if g is not None])
    same(found[0], found[1], function)


L = torch.linalg


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_lu_and_what_it_solves(dtype: Any) -> None:
    for n in SIZES:
        a, b = regular(n, dtype=dtype), numbers(n, 3, dtype=dtype)
        for function in (L.lu_factor_ex, L.lu, L.inv_ex, L.det, L.slogdet):
            held(function, a)
        held(L.solve, a, b)
        held(L.solve, a, b[:, 0])
        held(lambda a, b: L.solve(a, b.mT, left=False), a, b)
        held(L.lu_factor, numbers(n, n + 40, dtype=dtype))
        held(L.lu_factor, numbers(n + 40, n, dtype=dtype))
    many = regular(5, 2, 3, dtype=dtype)
    held(L.solve_ex, many, numbers(3, 5, 2, dtype=dtype))
    held(torch.inverse, many.mT)
    lu, pivots = L.lu_factor(many)
    for left in (True, False):
        for adjoint in (True, False):
            b = numbers(2, 3, 5, 5, dtype=dtype)
            held(
                lambda *t, left=left, adjoint=adjoint: L.lu_solve(*t, left=left, adjoint=adjoint),
                lu,
                pivots,
                b,
            )
    held(torch.lu_unpack, lu, pivots)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_triangular(dtype: Any) -> None:
    for n in SIZES:
        a, b = regular(n, dtype=dtype).flip(0), numbers(n, 40, dtype=dtype)
        for upper in (True, False):
            for unit in (True, False):
                t = a / 8 if unit else a
                held(lambda a, b, u=upper, i=unit: L.solve_triangular(a, b, upper=u, unitriangular=i), t, b)
            held(lambda a, b, u=upper: L.solve_triangular(a, b.mT, upper=u, left=False), a, b)
    held(lambda b, a: torch.triangular_solve(b, a, transpose=True), b, a)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cholesky(dtype: Any) -> None:
    for n in SIZES:
        a = definite(n, dtype=dtype)
        held(L.cholesky, a)
        held(L.cholesky, a + torch.ones(n, n).triu(1).to(dtype) * NAN)  # what is not read
        held(lambda a: L.cholesky_ex(a, upper=True), a)
        held(torch.cholesky_solve, numbers(n, 2, dtype=dtype), L.cholesky(a))
        held(torch.cholesky_inverse, L.cholesky(a))
    many = definite(4, 2, 3, dtype=dtype)
    many[1, 2, 3, 3] = many[0, 1, 1, 1] = -1
    held(L.cholesky, many)
    info = L.cholesky_ex(many.cuda()).info
    assert info.tolist() == [[0, 2, 0], [0, 0, 4]]
    large = definite(70, dtype=dtype)
    large[60, 60] = NAN
    held(L.cholesky, large)


def test_cholesky_of_many_blocks() -> None:
    a = definite(600)
    l = L.cholesky(a.cuda())
    assert torch.allclose((l @ l.mT).cpu(), a, atol=1e-10)
    assert torch.equal(l, l.tril())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_qr_and_reflections(dtype: Any) -> None:
    for m, n in ((1, 1), (5, 5), (7, 3), (3, 7), (70, 40), (40, 70)):
        a = numbers(m, n, dtype=dtype)
        held(torch.geqrf, a)
        for mode in ("reduced", "complete", "r"):
            held(lambda a, mode=mode: L.qr(a, mode), a)
    held(L.qr, numbers(2, 3, 4, 2, dtype=dtype))
    held(L.qr, torch.zeros(3, 3, dtype=dtype))
    h, tau = torch.geqrf(numbers(40, 36, dtype=dtype))
    held(L.householder_product, h, tau)
    held(L.householder_product, h, tau[:34])
    c = numbers(40, 3, dtype=dtype)
    for turn in (True, False):
        held(lambda h, t, c, turn=turn: torch.ormqr(h, t, c, True, turn), h, tau, c)
        held(lambda h, t, c, turn=turn: torch.ormqr(h, t, c.mT, False, turn), h, tau, c)


def holds(a: Any, b: Any, near: float) -> bool:
    return bool(torch.allclose(a, b, rtol=near, atol=near))


def check_svd(a: Any) -> None:
    tolerance = 40 * near(a) if a.dtype in (torch.float32, torch.complex64) else 1e-11
    same(L.svdvals(a), L.svdvals(a.cuda()))
    for full in (True, False):
        u, s, vh = L.svd(a.cuda(), full_matrices=full)
        m, n, k = *a.shape[-2:], min(a.shape[-2:])
        assert u.shape == (*a.shape[:-1], m if full else k)
        assert vh.shape == (
            *a.shape[:-2],
            n if full else k,
            n,
        )
        assert u.dtype == vh.dtype == a.dtype
        assert u.is_cuda
        assert vh.is_cuda
        u, s, vh = u.cpu(), s.cpu(), vh.cpu()
        assert torch.equal(s, s.sort(descending=True)[0])
        assert holds(u[..., :k] * s[..., None, :] @ vh[..., :k, :], a, tolerance)
        for q in (u, vh.mH):
            assert holds(
                q.mH @ q, torch.eye(q.shape[-1], dtype=q.dtype).expand(*q.shape[:-2], -1, -1), tolerance
            )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_singular_values(dtype: Any) -> None:
    for sizes in ((1, 1), (4, 4), (7, 3), (3, 7), (2, 3, 5, 2), (40, 35)):
        check_svd(numbers(*sizes, dtype=dtype))
    low_rank = numbers(6, 2, dtype=dtype) @ numbers(2, 5, dtype=dtype)
    for a in (
        low_rank,
        torch.ones(4, 4, dtype=dtype),
        torch.zeros(3, 5, dtype=dtype),
        torch.eye(5, dtype=dtype),
    ):
        check_svd(a)
    for function in (L.matrix_rank, L.pinv, torch.pinverse, L.cond):
        held(function, numbers(2, 5, 3, dtype=dtype))
    held(L.matrix_rank, low_rank)
    held(lambda a: L.pinv(a, hermitian=True), definite(4, dtype=dtype))
    for order in (2, -2, "nuc"):
        held(lambda a, order=order: L.matrix_norm(a, order), numbers(3, 4, dtype=dtype))
    for order in (1, "fro", 2):
        held(lambda a, order=order: L.cond(a, order), regular(4, 2, dtype=dtype))


def test_singular_values_of_all_sizes() -> None:
    a = numbers(4, 3)
    for scale in (1e-200, 1e200):
        for function in (L.svdvals, lambda a: L.svd(a).S, lambda a: L.eigvalsh(a[:3])):
            for device in ("cpu", "cuda"):
                assert holds(function((a * scale).to(device)).cpu() / scale, function(a), 1e-9)
    a = numbers(5, 5) * 10.0 ** -torch.arange(0, 15, 3)
    ratio = L.svdvals(a.cuda()).cpu() / L.svdvals(a)
    assert torch.allclose(ratio, torch.ones(5, dtype=torch.float64), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_self_adjoint_eigenvalues(dtype: Any) -> None:
    tolerance = 1e-4 if dtype in (torch.float32, torch.complex64) else 1e-11
    repeated = torch.diag(torch.tensor([2.0, -1.0, 2.0, 0.0, -2.0])).to(dtype)
    turn = L.qr(numbers(5, 5, dtype=dtype))[0]
    for a in (
        numbers(1, 1, dtype=dtype),
        numbers(2, 3, 4, 4, dtype=dtype),
        numbers(33, 33, dtype=dtype),
        turn @ repeated @ turn.mH,
        torch.zeros(3, 3, dtype=dtype),
        numbers(4, 4, dtype=dtype) * 1e-20,
    ):
        for side in ("L", "U"):
            same(L.eigvalsh(a, side), L.eigvalsh(a.cuda(), side))
            values, v = (t.cpu() for t in L.eigh(a.cuda(), side))
            lower = a if side == "L" else a.mH
            diagonal = torch.diag_embed(torch.diagonal(a, dim1=-2, dim2=-1).real).to(dtype)
            whole = lower.tril(-1) + lower.tril(-1).mH + diagonal
            assert holds(v * values[..., None, :].to(dtype) @ v.mH, whole, tolerance)
            assert holds(v.mH @ v, torch.eye(a.shape[-1], dtype=dtype).expand_as(a), tolerance)


def test_matrices_of_many_blocks() -> None:
    # Beyond what one block turns by itself: a launch a round.
    a = numbers(66, 66)
    same(L.svdvals(a), L.svdvals(a.cuda()))
    values, v = (t.cpu() for t in L.eigh((a + a.mT).cuda()))
    assert holds(v * values @ v.mT, a + a.mT, 1e-11)
    assert holds(v.mT @ v, torch.eye(66, dtype=a.dtype), 1e-11)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_eigenvalues(dtype: Any) -> None:
    single = dtype in (torch.float32, torch.complex64)
    jordan = torch.diag(torch.ones(3), 1).to(dtype) + 2 * torch.eye(4, dtype=dtype)
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 3]]).to(dtype)
    for a in (
        numbers(1, 1, dtype=dtype),
        numbers(2, 3, 6, 6, dtype=dtype),
        numbers(40, 40, dtype=dtype),
        turn,
        torch.eye(4, dtype=dtype),
        torch.zeros(3, 3, dtype=dtype),
        jordan,
        torch.ones(4, 4, dtype=dtype),
        numbers(5, 5, dtype=dtype).triu(),
        torch.eye(4, dtype=dtype).roll(1, 0),
    ):
        values, v = (t.cpu() for t in L.eig(a.cuda()))
        wide = a.to(v.dtype)
        assert holds(wide @ v, v * values[..., None, :], 1e-4 if single else 1e-11)
        assert holds(v.norm(dim=-2), torch.ones(a.shape[:-1], dtype=v.real.dtype), 1e-5)
        alone = L.eigvals(a.cuda()).cpu()
        # The sums of powers do not depend on the order.
        for power in (1, 2, 3):
            trace = torch.linalg.matrix_power(wide, power).diagonal(dim1=-2, dim2=-1).sum(-1)
            for found in (values, alone):
                assert holds((found**power).sum(-1) / len(a), trace / len(a), 1e-3 if single else 1e-9)
        if not a.is_complex():
            above, below = (values.imag > 0).sum(), (values.imag < 0).sum()
            assert above == below
            assert (v.imag.abs().sum(-2)[values.imag == 0] == 0).all()
    with pytest.raises(RuntimeError, match="should not contain infs or NaNs"):
        L.eig(torch.tensor([[1.0, NAN], [0, 1]], device="cuda"))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_ldl(dtype: Any) -> None:
    for n in (1, 2, 5, 40):
        a = numbers(2, n, n, dtype=dtype)
        a = a - torch.diag_embed(a.diagonal(dim1=-2, dim2=-1)) * 0.9  # blocks of two
        for hermitian in (False, True):
            held(lambda a, h=hermitian: L.ldl_factor_ex(a, hermitian=h), a)
            ld, pivots = L.ldl_factor(a, hermitian=hermitian)
            b = numbers(2, n, 3, dtype=dtype)
            held(lambda *t, h=hermitian: L.ldl_solve(*t, hermitian=h), ld, pivots, b)
    held(L.ldl_factor, torch.zeros(2, 3, 3, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_least_squares_and_functions(dtype: Any) -> None:
    a, b = numbers(2, 6, 3, dtype=dtype), numbers(2, 6, 2, dtype=dtype)
    for driver in ("gels", "gelsd"):
        held(lambda a, b, driver=driver: L.lstsq(a, b, driver=driver), a, b)
        held(lambda a, b, driver=driver: L.lstsq(a.mT, b[:, :3], driver=driver), a, b)
    for scale in (0.1, 20):
        held(L.matrix_exp, numbers(2, 4, 4, dtype=dtype) * scale / 4)
    held(lambda a: L.matrix_power(a, -3), regular(4, 2, dtype=dtype))
    held(lambda a: L.tensorinv(a.reshape(2, 3, 6), 2), regular(6, dtype=dtype))
    held(
        lambda a, b: L.tensorsolve(a.reshape(2, 3, 6), b.reshape(2, 3)),
        regular(6, dtype=dtype),
        numbers(6, dtype=dtype),
    )


def test_no_rows_and_no_matrices() -> None:
    for dtype in (torch.float32, torch.complex128):
        for sizes in ((0, 0), (0, 3, 3), (2, 0, 0), (2, 0, 1, 1)):
            a = torch.zeros(*sizes, dtype=dtype)
            for function in (
                L.inv,
                L.det,
                L.slogdet,
                L.lu_factor,
                L.lu,
                L.cholesky,
                L.cholesky_ex,
                L.qr,
                L.svdvals,
                L.svd,
                L.eigh,
                L.eigvalsh,
                L.eig,
                L.eigvals,
                L.pinv,
                L.matrix_rank,
                L.matrix_exp,
                L.ldl_factor,
                torch.geqrf,
                torch.logdet,
            ):
                held(function, a)
            held(L.solve, a, a)
            held(L.lstsq, a, a)
            held(lambda a, b: L.solve_triangular(a, b, upper=True), a, a[..., :0])
        for sizes in ((0, 3), (3, 0), (2, 3, 0)):
            a = torch.zeros(*sizes, dtype=dtype)
            for function in (
                L.qr,
                lambda a: L.qr(a, "complete"),
                L.svd,
                lambda a: L.svd(a, full_matrices=False),
                L.svdvals,
                L.pinv,
                L.lu_factor,
                L.lu,
                torch.geqrf,
                L.matrix_rank,
            ):
                held(function, a)


GRADIENTS: dict[str, Callable[..., Any]] = {
    "solve": L.solve,
    "inv": lambda a, b: L.inv(a),
    "det": lambda a, b: L.det(a),
    "slogdet": lambda a, b: L.slogdet(a),
    "lu": lambda a, b: L.lu(a)[1:],
    "lu_factor": lambda a, b: L.lu_factor(a)[0],
    "qr": lambda a, b: tuple(L.qr(a)),
    "cholesky": lambda a, b: L.cholesky(a @ a.mH + torch.eye(4, dtype=a.dtype, device=a.device)),
    "cholesky_solve": lambda a, b: torch.cholesky_solve(b, a),
    "solve_triangular": lambda a, b: L.solve_triangular(a, b, upper=True),
    "svdvals": lambda a, b: L.svdvals(a),
    "svd": lambda a, b: (lambda u, s, v: u[..., :2] * s[..., None, :2] @ v[..., :2, :])(*L.svd(a)),
    "eigvalsh": lambda a, b: L.eigvalsh(a),
    "eigh": lambda a, b: (lambda l, v: v.abs() + l[..., None, :])(*L.eigh(a)),
    "eig": lambda a, b: (lambda l, v: l.abs().sum() + v.abs().sum())(*L.eig(a)),
    "pinv": lambda a, b: L.pinv(a),
    "matrix_exp": lambda a, b: L.matrix_exp(a),
    "lstsq": lambda a, b: L.lstsq(a, b, driver="gels")[0],
    "matrix_norm": lambda a, b: L.matrix_norm(a, "nuc"),
    "logdet": lambda a, b: torch.logdet(a),
    "householder": lambda a, b: L.householder_product(a, b[..., 0]),
    "cond": lambda a, b: L.cond(a, 1),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    for dtype in (torch.float64, torch.complex128):
        for batch in ((), (2,)):
            gradients_held(
                GRADIENTS[name], regular(4, *batch, dtype=dtype), numbers(*batch, 4, 2, dtype=dtype)
            )


def test_errors() -> None:
    singular = torch.stack([torch.eye(3), torch.ones(3, 3), torch.zeros(3, 3)])
    for function in (
        L.inv,
        L.lu_factor,
        L.lu,
        L.inv_ex,
        L.lu_factor_ex,
        L.det,
        L.slogdet,
        lambda a: L.inv_ex(a, check_errors=True),
        lambda a: L.lu_factor_ex(a, check_errors=True),
        lambda a: L.solve(a, a),
        lambda a: L.solve_ex(a, a).info,
        lambda a: L.cholesky(a - 2),
        lambda a: L.cholesky(a[2]),
        lambda a: L.cholesky_ex(a, check_errors=True),
        lambda a: L.ldl_factor(a),
        torch.lu,
        lambda a: L.cond(a[1], 1),
        lambda a: L.matrix_power(a, -1),
    ):
        held(function, singular)
    for bad in (NAN, INF):
        a = torch.eye(3)
        a[2, 0] = bad
        for function in (
            L.svd,
            L.svdvals,
            L.eigh,
            L.eigvalsh,
            L.eig,
            L.pinv,
            L.matrix_rank,
            L.inv_ex,
            L.matrix_exp,
        ):
            held(function, torch.stack([torch.eye(3), a]))
        held(L.eigh, a.mT)  # what is not read
    for function in (L.inv, L.svd, L.eigh, L.qr, L.cholesky, L.eig, L.lu_factor, L.ldl_factor):
        for a in (
            torch.ones(3),
            torch.ones(2, 3),
            torch.ones(3, 3, dtype=torch.int64),
            torch.ones(3, 3, dtype=torch.float16),
        ):
            if function in (L.svd, L.qr, L.lu_factor) and a.shape == (2, 3):
                continue
            held(function, a)
    held(L.solve, torch.eye(3), torch.ones(2, 2))
    lu, _ = L.lu_factor(torch.eye(3, device="cuda"))
    with pytest.raises(IndexError, match="lu_unpack: index 8"):
        torch.lu_unpack(lu, torch.tensor([9, 2, 3], dtype=torch.int32, device="cuda")).P.cpu()
    assert L.inv(torch.eye(2, device="cuda")).tolist() == [[1, 0], [0, 1]]


def test_layouts() -> None:
    a, b = regular(6, 3), numbers(3, 6, 4)
    for x in (a.mT, a[:, ::2, ::2], a.movedim(0, -1)[:, :3], a.expand(2, 3, 6, 6)):
        if x.shape[-1] == x.shape[-2]:
            held(L.inv, x)
            held(L.eigvalsh, x)
        held(L.qr, x)
        held(L.svdvals, x)
    held(L.solve, a[:1], b)
    held(L.solve, a[0].mT, b[:, :, ::3])


def test_python_compositions() -> None:
    a = definite(9).cuda()
    values, vectors = torch.lobpcg(a, k=2)
    assert holds(a @ vectors, vectors * values, 1e-3)
    u, s, v = torch.svd_lowrank(a, q=9)
    assert holds(u * s @ v.mT, a, 1e-8)
    normal = torch.distributions.MultivariateNormal(torch.zeros(9, dtype=a.dtype, device="cuda"), a)
    assert normal.log_prob(a[0]).isfinite()
