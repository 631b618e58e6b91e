"""Tensors from and to other things: what needs no PyTorch to be judged."""

from __future__ import annotations

import copy
import ctypes
import gc
import multiprocessing
import pickle
import sys
import weakref

import numpy as np
import pytest

import rustnn as torch


class Exporter:
    """An array of NumPy that tells when its memory was given back."""

    def __init__(self, versioned: bool) -> None:
        self.array = np.arange(4.0)
        self.versioned = versioned

    def __dlpack__(self, **keywords):
        if not self.versioned and keywords:
            raise TypeError("from before version 1.0")
        return self.array.__dlpack__(max_version=(1, 0) if self.versioned else None)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("versioned", [False, True])
def test_imported_memory_is_given_back(versioned) -> None:
    exporter = Exporter(versioned)
    tensor = torch.from_dlpack(exporter)
    tensor[0] = 9
    assert exporter.array[0] == 9
    counts = [sys.getrefcount(exporter.array)]
    view = tensor[1:]
    del tensor
    gc.collect()
    counts.append(sys.getrefcount(exporter.array))
    del view
    gc.collect()
    counts.append(sys.getrefcount(exporter.array))
    assert counts == [counts[0], counts[0], counts[0] - 1]


def test_capsules_that_nobody_takes_free_their_tensor() -> None:
    tensor = torch.ones(4)
    for _ in range(3):
        capsule = tensor.__dlpack__()
        versioned = tensor.__dlpack__(max_version=(1, 1))
        del capsule, versioned
    array = np.from_dlpack(tensor)
    alone = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert alone() is None
    assert array.tolist() == [1.0] * 4


@pytest.mark.usefixtures("each_warning")
def test_read_only_memory_warns() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    for make in (torch.from_numpy, torch.as_tensor, torch.from_dlpack, torch.asarray):
        with pytest.warns(UserWarning, match="not writable"):
            make(array)
    with pytest.warns(UserWarning, match="not writable"):
        torch.frombuffer(b"abcd", dtype=torch.int8)
    assert torch.tensor(array).tolist() == [0, 1, 2]


def test_negative_strides_are_refused() -> None:
    for make in (torch.from_numpy, torch.tensor, torch.from_dlpack):
        with pytest.raises(ValueError, match="negative"):
            make(np.arange(3)[::-1])


def test_arrays_keep_tensors_alive() -> None:
    array = torch.arange(1000.0).numpy()
    others = [torch.full((1000,), -1.0) for _ in range(20)]
    assert array.sum() == 999 * 500
    assert len(others) == 20


def test_dtypes_that_are_only_names() -> None:
    for kind in (torch.uint16, torch.complex32, torch.float8_e5m2):
        with pytest.raises(NotImplementedError, match=str(kind)):
            torch.zeros(2, dtype=kind)
        with pytest.raises(NotImplementedError, match=str(kind)):
            torch.ones(2).to(kind)
    with pytest.raises(NotImplementedError, match="sparse_coo"):
        torch.zeros(2, layout=torch.sparse_coo)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_share_what_was_shared(protocol) -> None:
    base = torch.arange(6.0)
    again, part = pickle.loads(pickle.dumps([base, base[2:].view(2, 2).t()], protocol))
    again[2] = 9
    assert part.tolist() == [[9, 4], [3, 5]]
    assert part.stride() == (1, 2)
    storage, typed = pickle.loads(pickle.dumps([base.untyped_storage(), base.storage()], protocol))
    assert storage.tolist() == base.untyped_storage().tolist()
    assert typed.tolist() == base.tolist()


def test_deep_copies_share_what_was_shared() -> None:
    base = torch.arange(6.0)
    again, part = copy.deepcopy([base, base[2:]])
    again[2] = 9
    assert part.tolist() == [9, 3, 4, 5]
    assert base[2] == 2
    assert copy.copy(base).data_ptr() == base.data_ptr()


def _add_one(tensor) -> None:
    tensor.add_(1)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_processes_write_into_shared_memory() -> None:
    shared, own = torch.zeros(100).share_memory_(), torch.zeros(100)
    assert shared.is_shared()
    assert shared[3:].is_shared()
    context = multiprocessing.get_context("fork")
    for tensor in (shared, own):
        process = context.Process(target=_add_one, args=(tensor,))
        process.start()
        process.join(60)
        assert process.exitcode == 0
    assert (shared.sum().item(), own.sum().item()) == (100, 0)
    seen = torch.ones(2)
    view = seen[1:]
    with pytest.raises(RuntimeError, match="other tensors"):
        seen.share_memory_()
    assert view.tolist() == [1]


def test_addresses_are_true() -> None:
    tensor = torch.tensor([1.5, 2.5])
    assert ctypes.c_float.from_address(tensor.data_ptr() + 4).value == 2.5


def test_versions_compare() -> None:
    version = torch.__version__
    assert isinstance(version, str)
    assert all([version >= "1.9", version > "2.9", version < "3", version != "2.12"])
    assert all([version > (1, 13), version >= (2, 0), version < (3,)])
    assert str(version).split(".")[0] == "2"


def test_compile_runs_eagerly() -> None:
    import rustnn.compiler

    rustnn.compiler._told = False
    with pytest.warns(UserWarning, match="eagerly"):
        double = torch.compile(lambda x: x * 2)
    assert double(torch.ones(1)).item() == 2

    @torch.compile(mode="max-autotune")
    def triple(x):
        return x * 3

    assert triple(torch.ones(1)).item() == 3
    with pytest.raises(TypeError):
        torch.compile(3)


def test_there_is_no_gpu() -> None:
    assert not torch.cuda.is_available()
    assert not torch.backends.mps.is_available()
    assert not torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator() is None
    torch.cuda.empty_cache()
    torch.backends.cudnn.benchmark = True
    with torch.backends.cudnn.flags(enabled=False):
        assert not torch.backends.cudnn.enabled
    for wrong in (
        lambda: torch.ones(2).cuda(),
        lambda: torch.ones(2, device="cuda:0"),
        lambda: torch.cuda.FloatTensor(2),
        lambda: torch.cuda.synchronize(),
        lambda: torch.accelerator.synchronize(),
        lambda: torch.set_default_device("cuda"),
        lambda: torch.device("cuda").__enter__(),
        lambda: torch.ones(2).pin_memory(),
        lambda: torch.zeros(2, pin_memory=True),
        lambda: torch.tensor([1.0], pin_memory=True),
        lambda: torch.cuda.CUDAGraph(),
    ):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(AttributeError):
        torch.backends.cudnn.no_such_switch = 1


def test_mixed_precision_is_off_without_a_gpu() -> None:
    with pytest.warns(UserWarning, match="Disabling"):
        context = torch.amp.autocast("cuda", dtype=torch.bfloat16)
    with context:
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert torch.autocast("cpu", enabled=False)(lambda x: x + 1)(1) == 2
    with pytest.warns(UserWarning, match="Disabling"), pytest.warns(FutureWarning, match="deprecated"):
        scaler = torch.cuda.amp.GradScaler()
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler.scale((parameter * 2).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (parameter.item(), scaler.get_scale(), scaler.is_enabled()) == (-1, 1, False)


def test_made_tensors() -> None:
    make = torch.testing.make_tensor
    a = make(3, 4, dtype=torch.float32, device="cpu", low=1, high=2, noncontiguous=True)
    assert a.shape == (3, 4)
    assert not a.is_contiguous()
    assert bool(((a >= 1) & (a < 2)).all())
    b = make((50,), dtype=torch.int64, device="cpu", low=0, high=2, exclude_zero=True)
    assert b.tolist() == [1] * 50
    assert make((2,), dtype=torch.complex64, device="cpu", requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="low"):
        make(2, dtype=torch.float32, device="cpu", low=1, high=1)
