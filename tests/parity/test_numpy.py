"""To NumPy and back: shared memory, dtypes, scalars."""

from __future__ import annotations

import pytest

from parity.programs import hold

PROGRAMS = """
x = torch.ones(2, 3).numpy()
x = torch.ones(2, 3).t().numpy()
x = torch.arange(3).numpy()
x = torch.tensor([True, False]).numpy()
x = torch.tensor(2.5).numpy()
x = torch.zeros(0, 2).numpy()
x = torch.tensor([1 + 2j]).numpy()
x = torch.ones(2, dtype=torch.float16).numpy()
x = torch.ones(2, dtype=torch.bfloat16).numpy()
a = torch.ones(3); n = a.numpy(); n[0] = 7
a = torch.ones(3); n = a.numpy(); _ = a.add_(1)
n = np.ones(3); a = torch.from_numpy(n); n[0] = 7
n = np.ones(3); a = torch.from_numpy(n); _ = a.mul_(5)
n = np.ones(3); a = torch.tensor(n); n[0] = 7
n = np.ones(3); a = torch.as_tensor(n); n[0] = 7
x = torch.from_numpy(np.arange(6).reshape(2, 3).T)
x = torch.from_numpy(np.arange(10)[::2])
x = torch.from_numpy(np.zeros((2, 0)))
x = torch.from_numpy(np.array(3.5))
x = torch.from_numpy(np.arange(3, dtype=np.uint8))
x = torch.from_numpy(np.array([1j]))
x = torch.from_numpy(np.arange(3)[::-1])
x = torch.from_numpy(np.array(["a"]))
x = torch.from_numpy(np.array([None]))
x = torch.from_numpy(3)
x = torch.from_numpy([1, 2])
x = torch.from_numpy(np.arange(3, dtype=">i4"))
x = np.asarray(torch.ones(2, 2))
x = np.array(torch.arange(3), dtype=np.float64)
x = np.sum(torch.ones(2, 2).numpy())
x = torch.ones(2) + np.float32(2)
x = torch.ones(2) * np.float64(2)
x = torch.arange(2) * np.float64(2)
x = torch.arange(2) + np.int64(3)
x = torch.ones(2) + np.arange(2)
x = torch.zeros(np.int64(2), np.int32(3))
x = torch.arange(4).view(np.int64(2), 2)
x = torch.arange(4).sum(np.int64(0))
x = torch.full((2,), np.float32(2.5))
x = torch.tensor(np.bool_(True))
x = torch.ones(2).requires_grad_().detach().numpy()
x = torch.ones(3).tolist() == np.ones(3).tolist()
x = list(np.asarray(torch.arange(3)))
x = torch.tensor([[1, 2]]).numpy().shape
x = float(np.float32(1.5) + torch.tensor(1.0))
x = np.ones(2) + torch.ones(2).numpy()
x = torch.tensor(np.ones((2, 2), order="F"))
x = torch.from_numpy(np.ones((2, 3), order="F"))
x = torch.ones(2).__array__()
n = torch.arange(3.0).numpy(); s = n.flags.writeable
x = torch.from_dlpack(np.arange(3.0))
x = np.from_dlpack(torch.arange(3.0))
x = memoryview(torch.arange(3.0).numpy()).tolist()
""".strip().splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_numpy(program: str) -> None:
    hold(program)


DTYPES = [
    "float16",
    "float32",
    "float64",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
    "complex64",
    "complex128",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype: str) -> None:
    kind = "bool_" if dtype == "bool" else dtype
    hold(
        f"n = np.arange(6).reshape(2, 3).astype(np.{kind})\nx = torch.from_numpy(n)\ny = x.numpy()\nsame = (n == y).all()"
    )
