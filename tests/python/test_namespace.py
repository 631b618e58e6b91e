"""What the package itself offers: limits of dtypes, functions of several tensors, grad modes, what is exported."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import rustnn as torch


def test_limits_of_floats() -> None:
    info = torch.finfo(torch.float32)
    assert (info.bits, info.eps, info.max) == (32, 2.0**-23, 3.4028234663852886e38)
    assert info.min == -info.max
    assert info.tiny == info.smallest_normal == 2.0**-126
    assert info.dtype == "float32"
    assert repr(torch.finfo(torch.float16)) == (
        "finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, "
        "smallest_normal=6.10352e-05, tiny=6.10352e-05, dtype=float16)"
    )
    assert torch.finfo(torch.float64).max == sys.float_info.max
    assert torch.finfo(torch.complex128) == torch.finfo(torch.float64) == torch.finfo(type=torch.double)
    assert torch.finfo().dtype == "float32"
    for bad in (torch.int8, torch.bool, "float32"):
        with pytest.raises(TypeError):
            torch.finfo(bad)


def test_limits_of_integers() -> None:
    limits = [
        (torch.iinfo(kind).min, torch.iinfo(kind).max) for kind in (torch.uint8, torch.int8, torch.int64)
    ]
    assert limits == [(0, 255), (-128, 127), (-(2**63), 2**63 - 1)]
    assert repr(torch.iinfo(torch.int16)) == "iinfo(min=-32768, max=32767, dtype=int16)"
    for bad in (torch.float32, torch.bool, torch.complex64, None):
        with pytest.raises(TypeError):
            torch.iinfo(bad)


def test_broadcasting() -> None:
    a, b = torch.broadcast_tensors(torch.arange(3), torch.zeros(2, 1))
    assert a.tolist() == [[0, 1, 2]] * 2
    assert (a.stride(), tuple(b.shape)) == ((0, 1), (2, 3))
    assert torch.broadcast_tensors() == ()
    assert torch.broadcast_shapes((2, 1), (3,), 1) == torch.Size([2, 3])
    assert torch.broadcast_shapes((0,), (1, 1)) == torch.Size([1, 0])
    assert torch.broadcast_shapes() == torch.Size([])
    with pytest.raises(RuntimeError):
        torch.broadcast_tensors(torch.zeros(2), torch.zeros(3))
    with pytest.raises(TypeError):
        torch.broadcast_tensors([torch.zeros(2)])
    with pytest.raises(RuntimeError):
        torch.broadcast_shapes((2,), (3,))
    with pytest.raises(ValueError, match="negative"):
        torch.broadcast_shapes((-1,))


@pytest.mark.usefixtures("each_warning")
def test_meshgrid() -> None:
    x, y = torch.tensor([1, 2, 3]), torch.tensor([4, 5])
    rows, columns = torch.meshgrid(x, y, indexing="ij")
    assert rows.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert columns.tolist() == [[4, 5]] * 3
    across, down = torch.meshgrid([x, y], indexing="xy")
    assert across.tolist() == [[1, 2, 3]] * 2
    assert down.tolist() == [[4] * 3, [5] * 3]
    assert [tuple(g.shape) for g in torch.meshgrid(x, torch.tensor(7), indexing="xy")] == [(1, 3)] * 2
    leaf = torch.ones(2, requires_grad=True)
    torch.meshgrid(leaf, torch.ones(3), indexing="ij")[0].sum().backward()
    assert leaf.grad.tolist() == [3, 3]
    for wrong in ((x.view(1, 3),), (x, torch.ones(2)), ()):
        with pytest.raises(RuntimeError):
            torch.meshgrid(*wrong, indexing="ij")
    with pytest.raises(RuntimeError):
        torch.meshgrid(x, indexing="yx")
    with pytest.warns(UserWarning, match="indexing"):
        torch.meshgrid(x, y)


@pytest.mark.parametrize(
    ("make", "inside"),
    [
        (lambda: torch.no_grad, False),
        (lambda: torch.no_grad(), False),
        (lambda: torch.enable_grad(), True),
        (lambda: torch.inference_mode, False),
        (lambda: torch.inference_mode(), False),
        (lambda: torch.inference_mode(False), True),
        (lambda: torch.set_grad_enabled(False), False),
        (lambda: torch.set_grad_enabled(True), True),
    ],
)
def test_grad_modes_decorate(make, inside) -> None:
    @make()
    def plain(x):
        return x, torch.is_grad_enabled()

    assert plain(3) == (3, inside)
    assert plain.__name__ == "plain"
    assert torch.is_grad_enabled()


def test_generators_run_in_their_mode() -> None:
    events = []

    @torch.no_grad()
    def generator():
        try:
            events.append((yield torch.is_grad_enabled()))
            yield torch.is_grad_enabled()
        except ValueError:
            yield "caught"
        finally:
            events.append(torch.is_grad_enabled())
        return "end"

    running = generator()
    assert next(running) is False
    assert torch.is_grad_enabled()
    assert running.send("sent") is False
    assert running.throw(ValueError()) == "caught"
    with pytest.raises(StopIteration, match="end"):
        next(running)
    assert events == ["sent", False]
    stopped = generator()
    next(stopped)
    stopped.close()
    assert events == ["sent", False, False]
    assert torch.is_grad_enabled()


def test_set_grad_enabled() -> None:
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)


@pytest.mark.parametrize(
    "value", [torch.float32, torch.Size([1, 2]), torch.device("cpu"), torch.Tensor, torch.relu]
)
def test_names_are_pickled(value) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert type(again) is type(value)


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        torch.no_such_name
    assert {"save", "load", "nn", "optim", "finfo", "relu"} <= set(dir(torch))


@pytest.mark.skipif(torch.__name__ != "rustnn", reason="of rustnn alone")
def test_numpy_is_imported_when_it_is_needed() -> None:
    program = (
        "import sys, rustnn as t; import rustnn.nn, rustnn.optim, rustnn.utils.data\n"
        "print(t.relu(t.ones(2)).tolist(), 'numpy' in sys.modules, t.ones(1).numpy(), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[1.0, 1.0] False [1.] True\n"
