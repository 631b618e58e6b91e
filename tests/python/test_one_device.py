"""What is not there says so: processes, compiled code, the network. And what other processes see of tensors."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import warnings

import pytest

import rustnn as torch
from rustnn import jit


def test_distributed_is_not_available():
    assert not torch.distributed.is_available()
    assert not torch.distributed.is_nccl_available()
    assert not torch.distributed.is_backend_available("gloo")
    with pytest.raises(RuntimeError, match="trains in one process"):
        torch.distributed.init_process_group("gloo")
    with pytest.raises(AttributeError, match="'fsdp': rustnn trains in one process"):
        torch.distributed.fsdp


def test_jit_says_once_that_it_is_eager():
    jit._told = False
    layer = torch.nn.Linear(2, 2)
    with pytest.warns(UserWarning, match=r"torch\.jit\.script: rustnn runs everything eagerly"):
        assert jit.script(layer) is layer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jit.trace(layer, torch.ones(1, 2)) is layer
        assert jit.freeze(layer) is layer
    with pytest.raises(RuntimeError, match=r"no TorchScript; torch\.save"):
        jit.save(layer, "x.pt")
    with pytest.raises(RuntimeError, match="load its state_dict"):
        jit.load("x.pt")
    with pytest.raises(RuntimeError, match="no TorchScript"):
        jit.CompilationUnit("def f(x): return x")
    with pytest.raises(AttributeError, match="nonesuch"):
        jit.nonesuch


def test_hub_stays_local(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="clone pytorch/vision and give the folder"):
        torch.hub.load("pytorch/vision", "resnet18")
    place = tmp_path / "hub" / "checkpoints" / "w.pt"
    with pytest.raises(RuntimeError, match="yourself, to") as error:
        torch.hub.load_state_dict_from_url("https://example.invalid/w.pt")
    assert str(place) in str(error.value)
    with pytest.raises(RuntimeError, match="nothing from the network"):
        torch.hub.download_url_to_file("https://example.invalid/w.pt", str(place))
    (tmp_path / "hubconf.py").write_text("def model():\n    'What it is.'\n")
    assert torch.hub.list(str(tmp_path)) == ["model"]
    assert torch.hub.help(str(tmp_path), "model") == "What it is."


def test_absent_parts_say_what_to_take():
    with pytest.raises(AttributeError, match="module 'rustnn' has no attribute 'masked': "):
        torch.masked
    with pytest.raises(AttributeError, match=r"module 'rustnn.export' has no attribute 'export': "):
        torch.export.export


def run(tmp_path, program):
    file = tmp_path / "program.py"
    file.write_text(
        "import os, time\nimport rustnn as torch\nimport rustnn.multiprocessing as mp\n"
        + textwrap.dedent(program)
    )
    return subprocess.run([sys.executable, str(file)], timeout=120, capture_output=True, text=True)


needs_files = pytest.mark.skipif(sys.platform == "win32", reason="passes files to other processes")


@needs_files
def test_spawned_processes_see_the_same_memory(tmp_path):
    done = run(
        tmp_path,
        """
        def work(i, shared, model, ready):
            shared[i] += i + 1
            with torch.no_grad():
                model.weight[i].fill_(i + 5)
            ready.wait()
        if __name__ == "__main__":
            shared = torch.zeros(3)[1:]  # an offset
            model = torch.nn.Linear(2, 2)
            mp.spawn(work, (shared, model, mp.get_context("spawn").Barrier(2)), nprocs=2)
            assert shared.tolist() == [1.0, 2.0], shared
            assert model.weight.tolist() == [[5.0, 5.0], [6.0, 6.0]] and model.weight.requires_grad
            model(torch.ones(1, 2)).sum().backward()
        """,
    )
    assert done.returncode == 0, done.stderr


@needs_files
def test_queues_share_and_files_are_closed(tmp_path):
    done = run(
        tmp_path,
        """
        import gc
        def child(tasks, results):
            x = tasks.get()
            x.mul_(10)
            results.put((x.t(), torch.tensor(3), torch.empty(0, 2), torch.nn.Parameter(torch.ones(2))))
            assert tasks.get() == "end"
        if __name__ == "__main__":
            tasks, results = mp.Queue(), mp.SimpleQueue()
            process = mp.Process(target=child, args=(tasks, results))
            process.start()
            a = torch.arange(6.0).view(2, 3)
            tasks.put(a)
            b, three, empty, parameter = results.get()
            tasks.put("end")
            process.join()
            assert process.exitcode == 0
            assert a.tolist() == [[0, 10, 20], [30, 40, 50]] and b.t().tolist() == a.tolist()
            assert three.item() == 3 and empty.shape == (0, 2) and type(parameter) is torch.nn.Parameter
            b.zero_()
            assert a.sum() == 0
            files = mp.reductions._files
            assert files
            before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
            count = len(files)
            del a, b, three, parameter
            gc.collect()
            assert not files
            if before:
                assert len(os.listdir("/proc/self/fd")) <= before - count
            try:
                mp.reductions.reduce_tensor(torch.ones(2, requires_grad=True) * 2)
            except RuntimeError as error:
                assert "non-leaf" in str(error)
            else:
                raise AssertionError
        """,
    )
    assert done.returncode == 0, done.stderr


@needs_files
@pytest.mark.parametrize(
    ("end", "error", "text"),
    [
        ("raise ValueError('bad thing')", "ProcessRaisedException", "ValueError: bad thing"),
        ("os._exit(3)", "ProcessExitedException", "process 1 terminated with exit code 3"),
        ("os.kill(os.getpid(), 9)", "ProcessExitedException", "process 1 terminated with signal SIGKILL"),
    ],
)
def test_a_process_that_fails_ends_the_others(tmp_path, end, error, text):
    done = run(
        tmp_path,
        f"""
        def work(i):
            if i == 1:
                {end}
            time.sleep(60)
        if __name__ == "__main__":
            start = time.time()
            try:
                mp.start_processes(work, nprocs=2, start_method="fork")
            except mp.{error} as e:
                print(e)
                assert e.error_index == 1
            assert time.time() - start < 30
        """,
    )
    assert text in done.stdout, done.stderr


def test_contexts_and_names():
    import multiprocessing

    import rustnn.multiprocessing as mp

    assert set(multiprocessing.__all__) <= set(mp.__all__)
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    with pytest.raises(AssertionError):
        mp.set_sharing_strategy("pigeon")
    context = mp.start_processes(_nothing, nprocs=2, join=False, start_method="fork")
    assert len(context.pids()) == 2
    while not context.join(timeout=10):
        pass
    with pytest.warns(FutureWarning, match="start_method=spawn"):
        mp.spawn(_nothing, start_method="fork")
    gc.collect()


def _nothing(i):
    assert os.getpid()
