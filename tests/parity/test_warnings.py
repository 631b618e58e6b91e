"""Warnings: the same class and the same first words as PyTorch's, where it warns and nowhere else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest

from parity.data import Data
from parity.programs import CANDIDATE, REFERENCE

PROGRAMS = r"""
(torch.ones(2, requires_grad=True) * 2).grad
_x = torch.ones(2, requires_grad=True) * 2; _x.retain_grad(); _x.grad; _x.sum().backward(); _x.grad
torch.ones(2, requires_grad=True).grad
torch.ones(2, 3, 4).T
torch.ones(2).T
torch.ones(2, 3).T
torch.tensor(1.).T
torch.tensor(1.).H
torch.tensor(1.).mT
torch.tensor(1.).mH
torch.tensor(1.).adjoint()
torch.ones(2).mT
torch.ones(2).H
torch.ones(2, 3, 4).H
torch.arange(4)[torch.tensor([1, 0, 1, 0], dtype=torch.uint8)]
torch.arange(4)[torch.tensor([True, False, True, False])]
_x = torch.arange(4); _x[torch.tensor([1, 0, 1, 0], dtype=torch.uint8)] = torch.tensor([5, 6])
_x = torch.arange(4); _x[torch.tensor([1, 0, 1, 0], dtype=torch.uint8)] = 5
_x = torch.arange(4); _x[torch.tensor([1, 0, 1, 0], dtype=torch.uint8)] += 1
torch.arange(4).masked_fill(torch.tensor([1, 0, 1, 0], dtype=torch.uint8), 1)
torch.arange(4).masked_fill_(torch.tensor([1, 0, 1, 0]), 1)
torch.arange(4).masked_select(torch.tensor([1, 0, 1, 0], dtype=torch.uint8))
torch.where(torch.ones(2, dtype=torch.uint8), 1, 0)
torch.range(0, 3)
torch.stft(torch.ones(16), 4, return_complex=True)
torch.stft(torch.ones(16), 4, window=torch.ones(4), return_complex=True)
torch.istft(torch.stft(torch.ones(16), 4, window=torch.hann_window(4), return_complex=True), 4)
torch.qr(torch.eye(3))
torch.cholesky(torch.eye(3))
torch.lu(torch.eye(3))
torch.eye(3).lu()
torch.symeig(torch.eye(3))
torch.eye(3).symeig()
torch.lstsq(torch.eye(3), torch.eye(3))
torch.eye(3).lstsq(torch.eye(3))
torch.solve(torch.eye(3), torch.eye(3))
torch.eye(3).solve(torch.eye(3))
torch.eig(torch.eye(3))
torch.eye(3).eig()
torch.matrix_rank(torch.eye(3))
torch.triangular_solve(torch.eye(3), torch.eye(3))
torch.lu_solve(torch.eye(3), *torch.linalg.lu_factor(torch.eye(3)))
torch.chain_matmul(torch.eye(3), torch.eye(3))
torch.cross(torch.ones(3, 3), torch.ones(3, 3))
torch.cross(torch.ones(3, 3), torch.ones(3, 3), dim=0)
torch.searchsorted(torch.ones(4, 4).t(), torch.ones(4, 4).t())
torch.meshgrid(torch.ones(2), torch.ones(3))
torch.meshgrid(torch.ones(2), indexing="ij")
torch.tensor(torch.ones(2))
torch.tensor([np.ones(2), np.ones(2)])
torch.from_numpy(np.broadcast_to(np.ones(1), (3,)))
float(torch.ones(1, requires_grad=True))
int(torch.ones(1, requires_grad=True))
torch.ones(1, requires_grad=True).item()
torch.tensor([1 + 2j]).float()
torch.tensor([1 + 2j]).to(torch.float64)
torch.empty(1).copy_(torch.tensor([1 + 2j]))
torch.tensor([1 + 2j]).real
_x = torch.ones(2); torch.add(torch.ones(3), 1, out=_x)
_x = torch.empty(0); torch.add(torch.ones(3), 1, out=_x)
nn.functional.sigmoid(torch.ones(2))
nn.functional.mse_loss(torch.ones(2, 1), torch.ones(2))
nn.functional.l1_loss(torch.ones(2, 1), torch.ones(2))
nn.functional.huber_loss(torch.ones(2, 1), torch.ones(2))
nn.functional.mse_loss(torch.ones(2), torch.ones(2), size_average=False)
nn.MSELoss(reduce=False)
nn.CrossEntropyLoss(size_average=True)
nn.functional.kl_div(torch.ones(2, 3), torch.ones(2, 3))
nn.functional.softmax(torch.ones(2, 3))
nn.LogSoftmax()(torch.ones(2, 3))
nn.functional.upsample(torch.ones(1, 1, 2, 2), scale_factor=2)
nn.functional.upsample_nearest(torch.ones(1, 1, 2, 2), scale_factor=2)
nn.functional.grid_sample(torch.ones(1, 1, 2, 2), torch.zeros(1, 2, 2, 2))
nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 1, 2, 2))
nn.functional.dropout2d(torch.ones(2, 3, 4))
nn.functional.dropout1d(torch.ones(2, 3, 4, 5))
_m = nn.Sequential(nn.Linear(2, 3), nn.ReLU()); _m.register_backward_hook(lambda m, i, o: None); _m(torch.ones(1, 2)).sum().backward()
_m = nn.Linear(2, 3); _m.register_full_backward_hook(lambda m, i, o: None); _m(torch.ones(1, 2)).sum().backward()
_o = optim.SGD([nn.Parameter(torch.ones(1))], 1.); _s = optim.lr_scheduler.StepLR(_o, 1); _s.step(3)
_o = optim.SGD([nn.Parameter(torch.ones(1))], 1.); _s = optim.lr_scheduler.StepLR(_o, 1); _o.step(); _s.get_lr()
nn.LSTM(2, 3, 1, dropout=0.5)
nn.Hardtanh(min_value=0, max_value=1)
nn.Hardtanh(2, 1)
nn.init.uniform(torch.ones(2, 2))
nn.init.kaiming_uniform_(torch.ones(0, 2))
nn.Linear(2, 2).state_dict(None, "", True)
_m = nn.Linear(2, 2); _m.weight = torch.ones(2, 2)
torch.utils.checkpoint.checkpoint(lambda a: a * 2, torch.ones(2, requires_grad=True))
torch.cuda.amp.custom_fwd(lambda ctx, x: x)
torch.nn.utils.weight_norm(nn.Linear(2, 3))
torch.set_default_tensor_type("torch.FloatTensor")
_x = torch.ones(2); _x.resize(2)
torch.var(torch.ones(1))
"""


def told(program: str, library: ModuleType) -> tuple[list[tuple[str, str]], str, str]:
    """Class and first words of each warning, then of the error if there was one."""
    namespace = Data(library).namespace()
    error: tuple[str, str] = "", ""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            exec(compile(program, "<program>", "exec"), namespace)
        except Exception as raised:
            error = type(raised).__name__, str(raised)[:60]
    words = [(w.category.__name__, str(w.message).split(" (Triggered")[0][:60]) for w in found]
    return list(dict.fromkeys(words)), *error


@pytest.fixture(autouse=True)
def each_time() -> Iterator[None]:
    """What is said once in a process is said each time."""
    for library in (CANDIDATE, REFERENCE):
        library.set_warn_always(True)
    yield
    for library in (CANDIDATE, REFERENCE):
        library.set_warn_always(False)


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_warnings(program: str) -> None:
    assert told(program, CANDIDATE) == told(program, REFERENCE)


def test_once_in_a_process() -> None:
    CANDIDATE.set_warn_always(False)
    for call in ("torch.ones(2, 3, 4).T", "torch.qr(torch.eye(2))", "torch.meshgrid(torch.ones(1))"):
        told(call, CANDIDATE)
        assert told(call, CANDIDATE)[0] == []
    assert len(told("torch.range(0, 3)", CANDIDATE)[0]) == len(told("torch.range(0, 3)", CANDIDATE)[0]) == 1


def test_storages_are_deprecated() -> None:
    (kind, words), *_ = told("torch.ones(2).storage()", CANDIDATE)[0]
    assert (kind, words[:26]) == ("UserWarning", "TypedStorage is deprecated")
    assert told("torch.ones(2).untyped_storage()", CANDIDATE)[0] == []


def test_warnings_can_be_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"x\.T"):
            _ = CANDIDATE.ones(2, 3, 4).T
        with pytest.raises(UserWarning, match="not a leaf"):
            _ = (CANDIDATE.ones(2, requires_grad=True) * 2).grad
    assert CANDIDATE.ones(2, 3).T.shape == (3, 2)
