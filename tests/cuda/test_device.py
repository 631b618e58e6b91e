"""Tensors on a GPU as objects: where they are, how they come and go, what is refused."""

from __future__ import annotations

import copy
import importlib.util
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rustnn as torch
from rustnn import nn

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


def test_the_gpu_is_there() -> None:
    assert torch.cuda.is_available()
    assert torch.cuda.device_count() >= 1
    major, minor = torch.cuda.get_device_capability()
    properties = torch.cuda.get_device_properties(0)
    assert (properties.major, properties.minor) == (major, minor)
    assert properties.name == torch.cuda.get_device_name()
    assert properties.total_memory > 0
    assert torch.cuda.current_device() == 0
    free, total = torch.cuda.mem_get_info()
    assert 0 < free <= total


def test_the_accelerator_is_the_gpu() -> None:
    accelerator = torch.accelerator
    assert accelerator.is_available()
    assert accelerator.device_count() == torch.cuda.device_count()
    kind = accelerator.current_accelerator()
    assert kind == torch.device("cuda")
    x = torch.ones(100, device=kind)
    assert accelerator.current_device_index() == accelerator.current_device_idx() == 0
    with accelerator.device_index(0), accelerator.device_index(None):
        accelerator.synchronize()
    accelerator.synchronize(x.device)
    accelerator.set_device_index("cuda:0")
    assert accelerator.current_stream() == torch.cuda.current_stream()
    stream = torch.cuda.Stream()
    before = accelerator.current_stream()
    accelerator.set_stream(stream)
    assert accelerator.current_stream("cuda") == stream
    accelerator.set_stream(before)
    assert accelerator.memory_allocated() >= 400
    assert (
        accelerator.max_memory_reserved() >= accelerator.memory_reserved() >= accelerator.memory_allocated(0)
    )
    assert accelerator.memory_stats()["allocated_bytes.all.current"] == accelerator.memory_allocated()
    accelerator.reset_peak_memory_stats()
    accelerator.empty_cache()
    accelerator.empty_host_cache()
    assert accelerator.get_memory_info() == torch.cuda.mem_get_info()
    assert torch.bfloat16 in accelerator.get_device_capability()["supported_dtypes"]
    with pytest.raises(ValueError, match="cpu doesn't match the current accelerator cuda"):
        accelerator.synchronize("cpu")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bytes_come_back_as_they_went(dtype: Any) -> None:
    x = (torch.randn(3, 5) * 3).to(dtype)
    there = x.to("cuda")
    assert there.device == torch.device("cuda", 0)
    assert there.is_cuda
    assert not there.is_cpu
    assert there.get_device() == 0
    assert there.dtype == dtype
    assert torch.equal(there.cpu(), x)
    assert torch.equal(there.t().cpu(), x.t())
    assert torch.equal(x.t().cuda().cpu(), x.t())
    assert torch.equal(there[1:, ::2].cpu(), x[1:, ::2])


def test_what_is_there_already_is_not_copied() -> None:
    x = torch.ones(3, device="cuda")
    assert x.cuda() is x
    assert x.to("cuda:0") is x
    assert x.to(x) is x
    y = torch.ones(3)
    assert y.cpu() is y
    assert x.to("cuda", copy=True) is not x
    assert x.to("cuda", torch.float64).dtype == torch.float64
    assert y.to(x).is_cuda
    assert y.to("cuda", torch.int64).dtype == torch.int64


@pytest.mark.parametrize("source", DTYPES, ids=str)
def test_conversions_are_those_of_the_cpu(source: Any) -> None:
    x = torch.tensor([0.0, 1.0, 2.7, 100.0]).to(source)
    for target in (torch.float16, torch.bfloat16, torch.int32, torch.uint8, torch.bool, torch.float64):
        if source.is_complex:
            continue
        assert torch.equal(x.cuda().to(target).cpu(), x.to(target)), target


def test_views_share_memory() -> None:
    x = torch.zeros(4, 3, device="cuda")
    x[1:3].fill_(2)
    x.t()[0].add_(1)
    x.view(-1)[11:].mul_(5)
    assert x.tolist() == [[1, 0, 0], [3, 2, 2], [3, 2, 2], [1, 0, 0]]
    assert x[1].data_ptr() == x.data_ptr() + 12


def test_made_where_asked() -> None:
    assert torch.zeros(2, 3, device="cuda").tolist() == [[0] * 3] * 2
    assert torch.full((2,), 7, device="cuda", dtype=torch.int16).tolist() == [7, 7]
    assert torch.tensor([1.5, 2.5], device="cuda").tolist() == [1.5, 2.5]
    assert torch.arange(4, device="cuda").is_cuda
    assert torch.eye(2, device="cuda").tolist() == [[1, 0], [0, 1]]
    x = torch.ones(2, device="cuda", requires_grad=True)
    assert x.is_leaf
    assert torch.zeros_like(x).is_cuda
    assert x.new_tensor([1]).is_cuda
    assert x.new_zeros(3).is_cuda
    assert torch.zeros_like(x, device="cpu").is_cpu
    with torch.device("cuda"):
        assert torch.ones(1).is_cuda
        assert nn.Linear(2, 2, dtype=torch.float64, device="cpu").weight.is_cpu
    assert torch.ones(1).is_cpu
    torch.set_default_device("cuda")
    try:
        assert torch.ones(1).is_cuda
        assert torch.tensor([1]).is_cuda
        assert torch.get_default_device() == torch.device("cuda:0")
    finally:
        torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


def test_numbers_come_out() -> None:
    x = torch.tensor([[1.5, -2.0]], device="cuda")
    assert x[0, 1].item() == -2
    assert float(x[0, 0]) == 1.5
    assert bool((x > 1).any())
    assert x.tolist() == [[1.5, -2.0]]
    assert repr(x) == "tensor([[ 1.5000, -2.0000]], device='cuda:0')"
    assert repr(x.half()) == "tensor([[ 1.5000, -2.0000]], device='cuda:0', dtype=torch.float16)"
    assert x.type() == "torch.cuda.FloatTensor"
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy"):
        x.numpy()
    assert x.cpu().numpy().tolist() == [[1.5, -2.0]]


def test_devices_do_not_mix() -> None:
    x, y = torch.ones(3), torch.ones(3, device="cuda")
    with pytest.raises(
        RuntimeError, match=r"on the same device, but found at least two devices, cuda:0 and cpu!"
    ):
        x + y
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, 3) @ torch.ones(3, 2, device="cuda")
    with pytest.raises(RuntimeError, match="same device"):
        torch.cat([x, y])
    with pytest.raises(RuntimeError, match="the devices must match"):
        y.clone().set_(x)
    # A number may be a tensor of no dimensions, on the CPU.
    assert (y + torch.tensor(2.0)).tolist() == [3, 3, 3]
    y.copy_(x * 4)
    assert y.tolist() == [4, 4, 4]
    x.copy_(y)
    assert x.tolist() == [4, 4, 4]


def test_gradients_cross_devices() -> None:
    x = torch.ones(3, requires_grad=True)
    (x.cuda() * 2).cpu().sum().backward()
    assert x.grad is not None
    assert x.grad.is_cpu
    assert x.grad.tolist() == [2, 2, 2]
    y = torch.ones(3, device="cuda", requires_grad=True)
    (y.cpu() * 3).sum().backward()
    assert y.grad is not None
    assert y.grad.is_cuda


def test_what_is_not_there_names_itself() -> None:
    x = torch.ones(3, 4, device="cuda")
    with pytest.raises(
        NotImplementedError, match=r"avg_pool2d' is not implemented for tensors on 'cuda:0' \(int64\)"
    ):
        torch.nn.functional.avg_pool2d(x[None].long(), 2)
    # Those that no operation stands for.
    for refused in (
        lambda: x.resize_(5, 5),
        lambda: x.__dlpack__(),
    ):
        with pytest.raises(NotImplementedError):
            refused()
    assert x.share_memory_() is x
    assert x.__dlpack_device__() == (2, 0)
    with pytest.raises(BufferError, match="tensors live on the CPU"):
        torch.from_dlpack(x)
    # And everything goes on.
    assert x.sum().item() == 12


def test_an_index_out_of_range_is_told_at_the_next_wait() -> None:
    x = torch.arange(6.0, device="cuda").reshape(3, 2)
    x[torch.tensor([0, 7], device="cuda")]
    with pytest.raises(
        IndexError, match=r"index: index 7 is out of bounds for dimension 0 with size 3 \(on cuda:0\)"
    ):
        torch.cuda.synchronize()
    assert x.gather(0, torch.tensor([[1, 2]], device="cuda")).tolist() == [[2, 5]]


def test_memory_is_counted_and_reused() -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    x = torch.empty(1000, 1000, device="cuda")
    assert torch.cuda.memory_allocated() - before == 4_000_256
    assert torch.cuda.memory_reserved() >= torch.cuda.memory_allocated()
    address = x.data_ptr()
    del x
    assert torch.cuda.memory_allocated() == before
    assert torch.cuda.max_memory_allocated() - before == 4_000_256
    assert torch.empty(1000, 1000, device="cuda").data_ptr() == address
    assert torch.cuda.memory_stats()["num_ooms"] == 0
    assert "Allocated memory" in torch.cuda.memory_summary()


def test_out_of_memory_is_an_exception_and_work_goes_on() -> None:
    x = torch.ones(3, device="cuda")
    with pytest.raises(
        torch.cuda.OutOfMemoryError, match=r"CUDA out of memory. Tried to allocate 4096.00 GiB. GPU 0"
    ):
        torch.empty(1 << 40, device="cuda")
    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    assert torch.OutOfMemoryError.__name__ == "OutOfMemoryError"
    assert (x + 1).tolist() == [2, 2, 2]


def test_streams_and_events() -> None:
    side = torch.cuda.Stream()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    with torch.cuda.stream(side):
        assert torch.cuda.current_stream() == side
        x = torch.ones(1000, device="cuda") + 1
        end.record()
    torch.cuda.current_stream().wait_stream(side)
    side.synchronize()
    assert side.query()
    assert end.query()
    end.synchronize()
    assert start.elapsed_time(end) >= 0
    assert x.sum().item() == 2000
    with pytest.raises(ValueError, match="enable_timing"):
        plain = torch.cuda.Event()
        plain.record()
        plain.elapsed_time(plain)
    with pytest.raises(RuntimeError, match="has no stream"):
        torch._C._cuda_set_stream(0, 12345)


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(1, device="cuda:15")
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.set_device(15)
    with pytest.raises(RuntimeError, match="must be cuda device"):
        torch.ones(1).cuda("cpu")


def test_files_and_copies() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).cuda()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    loaded = torch.load(io.BytesIO(file.getvalue()))
    assert all(t.is_cuda for t in loaded.values())
    on_cpu = torch.load(io.BytesIO(file.getvalue()), map_location="cpu")
    for name, value in model.state_dict().items():
        assert torch.equal(on_cpu[name], value.cpu())
        assert torch.equal(loaded[name].cpu(), value.cpu())
    x = torch.arange(3.0, device="cuda")
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone()):
        assert twin.is_cuda
        assert twin.data_ptr() != x.data_ptr()
        assert twin.tolist() == [0, 1, 2]
    assert x.untyped_storage().device == torch.device("cuda:0")
    assert x.untyped_storage().tolist()[4:8] == [0, 0, 128, 63]
    with pytest.raises(BufferError):
        memoryview(x.untyped_storage())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_that_touches_the_gpu_raises() -> None:
    program = """
import os, rustnn as torch
x = torch.ones(3, device="cuda")
child = os.fork()
if child == 0:
    try:
        torch.ones(3, device="cuda")
    except RuntimeError as error:
        os._exit(0 if "forked subprocess" in str(error) else 1)
    os._exit(2)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), (x + 1).tolist())
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert answer.stdout == "0 [2.0, 2.0, 2.0]\n", answer.stderr


def test_another_compiler_of_the_same_name_is_not_taken() -> None:
    spec = importlib.util.find_spec("nvidia")
    places = (spec.submodule_search_locations or []) if spec else []
    found = [f for place in places if (f := Path(place) / "cu13" / "lib" / "libnvrtc.so.13").exists()]
    if not found:
        pytest.skip("nvidia-cuda-nvrtc is not installed: there is no other compiler")
    # PyTorch loads NVIDIA's when it is imported; the name then stands for that file.
    script = f"""
import ctypes
ctypes.CDLL({str(found[0])!r})
import rustnn as torch
print((torch.arange(3.0).cuda() * 2 + 1).tolist())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[1.0, 3.0, 5.0]", (done.returncode, done.stderr)
