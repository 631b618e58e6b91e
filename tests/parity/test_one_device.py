"""What PyTorch has for several devices, other processes and compiled code, where there is none of it."""

from __future__ import annotations

import pytest

from parity.programs import hold
from parity.test_distributions import TELL

PROGRAMS = {
    "data parallel": """
torch.manual_seed(0)
_m = nn.DataParallel(nn.Sequential(nn.Linear(3, 4), nn.Tanh()))
x = torch.linspace(0, 1, 15).reshape(5, 3).requires_grad_()
y = _m(x)
(y * y).sum().backward()
told = repr(_m), list(_m.state_dict()), _m.device_ids, [tuple(p.shape) for p in _m.parameters()]
told += (hasattr(_m, "dim"), hasattr(_m, "output_device"), _m.training, _m.eval().module.training)
gradient = x.grad, _m.module[0].weight.grad
_k = nn.DataParallel(nn.Bilinear(2, 3, 4), device_ids=[0], output_device=0, dim=1)
z = _k(torch.ones(2, 2), input2=torch.ones(2, 3)).detach()
loaded = str(_k.load_state_dict(_k.state_dict()))
refused = _tell(lambda: nn.parallel.data_parallel(nn.Linear(2, 3), torch.ones(1, 2))), _tell(lambda: nn.DataParallel())
refused += (_tell(lambda: nn.parallel.DistributedDataParallel(nn.Linear(2, 3))),)
x = None
""",
    "distributed": """
import os as _os
_dist = torch.distributed
for _k in ("LOCAL_RANK", "TORCHELASTIC_RUN_ID"):
    _os.environ.pop(_k, None)
told = _dist.is_initialized(), _dist.is_torchelastic_launched(), _dist.is_mpi_available(), _dist.get_node_local_rank(2)
refused = [_tell(f) for f in (_dist.get_rank, _dist.get_world_size, _dist.get_backend, _dist.barrier)]
refused += [_tell(_dist.new_group), _tell(_dist.destroy_process_group), _tell(_dist.get_node_local_rank)]
refused += [_tell(lambda: _dist.all_reduce(torch.ones(1))), _tell(lambda: _dist.broadcast(torch.ones(1), 0))]
refused += [_tell(lambda: _dist.all_gather([torch.ones(1)], torch.ones(1))), _tell(lambda: _dist.send(torch.ones(1), 0))]
names = [hasattr(_dist.ReduceOp, n) for n in ("SUM", "AVG", "MAX", "MIN", "PRODUCT", "BAND", "NONE")]
""",
    "hub": """
import os as _os, sys as _sys, tempfile as _tempfile
_hub, _folder = torch.hub, _tempfile.mkdtemp()
with open(_os.path.join(_folder, "hubconf.py"), "w") as _file:
    _file.write("dependencies = ['json']\\nimport json\\ndef small(a, b=2):\\n    'A doc.'\\n    return a, b\\ndef _hidden(): pass\\nx = 3\\n")
_path = list(_sys.path)
found = _hub.load(_folder, "small", 1, source="local"), _hub.load(_folder, "small", 1, b=4, source="LOCAL")
refused = [_tell(lambda: _hub.load(_folder, n, source="local")) for n in ("none", "x", 3)]
refused += [_tell(lambda: _hub.load(_folder, "small", source="x"))]
refused += [_tell(lambda: _hub.load(_os.path.join(_folder, "nowhere"), "small", source="local"))[0]]
with open(_os.path.join(_folder, "hubconf.py"), "a") as _file:
    _file.write("dependencies = ['nonesuch_a', 'json', 'nonesuch_b']\\n")
refused += [_tell(lambda: _hub.load(_folder, "small", 1, source="local"))]
clean = _sys.path == _path
_os.environ["TORCH_HOME"] = _folder
places = [_hub.get_dir() == _os.path.join(_folder, "hub")]
torch.save({"a": torch.ones(2)}, _os.path.join(_folder, "w.pt"))
loaded = _hub.load_state_dict_from_url("https://example.invalid/files/w.pt?x=1", model_dir=_folder, progress=False)
loaded = loaded, _hub.load_state_dict_from_url("https://example.invalid/v", model_dir=_folder, file_name="w.pt")
_hub.set_dir("~/somewhere")
places += [_hub.get_dir() == _os.path.expanduser("~/somewhere")]
_hub._hub_dir = None
names = sorted(_hub.__all__)
""",
    "jit": """
import warnings as _w
_j = torch.jit
__name__ = "__main__"
def _f(x):
    if x.sum() > 0:
        return x * 2
    return x
x = torch.linspace(-1, 2, 4)
_layer = nn.Linear(4, 2)
nn.init.ones_(_layer.weight), nn.init.zeros_(_layer.bias)
values = _j.script(_layer)(x).detach(), _j.trace(_layer, x)(x).detach(), _j.trace(lambda x: x + 1, (x,))(x)
values += (_j.trace_module(_layer, {"forward": x})(x).detach(), _j.script_if_tracing(_f)(x))
@_j.ignore
def _g(x): return x + 1
@_j.unused
def _h(x): return x + 2
@_j.ignore(drop=True)
def _i(x): return x + 3
values += _g(x), _h(x), _i(x), _j.export(_f)(x)
values += _j.wait(_j.fork(_f, x)), _j.fork(_f, x=x).wait(), _j.annotate(torch.Tensor, x)
told = _j.is_scripting(), _j.is_tracing(), _j.onednn_fusion_enabled(), repr(_j.Attribute(3, int)), str(_j.Final)
told += _j.isinstance([1], list[int]), _j.isinstance([1, "a"], list[int]), _j.isinstance(3, int), _j.isinstance({"a": 1}, dict[str, int])
told += _j.isinstance((1, "a"), tuple[int, str]), _j.isinstance(3, (int, str)), _j.isinstance([], list[str])
told += (_tell(lambda: _j.isinstance([1], list)), issubclass(_j.ScriptModule, nn.Module), issubclass(_j.Error, RuntimeError))
with _j.optimized_execution(True), _j.strict_fusion():
    pass
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "")
    hold(TELL.replace("DTYPE", "torch.float32") + PROGRAMS[name], strides=False, rtol=1e-5, atol=1e-6)
