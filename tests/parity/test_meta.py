"""Tensors on `meta`: sizes, strides, dtypes and graphs as PyTorch has them, and no data."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from parity.programs import CANDIDATE, REFERENCE

SETTINGS = 'm = dict(device="meta"); x = torch.ones(3, 4, **m)\n'
PROGRAMS = r"""
r = repr(x), repr(torch.ones(2, dtype=torch.int64, **m)), repr(torch.ones(2, requires_grad=True, **m)), repr(torch.ones((), **m)), repr(torch.ones(0, 3, **m)), repr(nn.Linear(2, 3, **m).weight), repr(torch.ones(2, dtype=torch.half, **m))
r = x.is_meta, str(x.device), x.get_device(), x.is_cpu, x.is_cuda, x.data_ptr(), x.type(), x.is_contiguous(), x.element_size(), x.device == torch.device("meta"), torch.ones(1).is_meta
r = str(torch.ones(2, device="meta:0").device), repr(torch.device("meta", 1)), hash(torch.device("meta")) == hash(torch.device("meta"))
r = x.untyped_storage().nbytes(), x.untyped_storage().data_ptr(), str(x.untyped_storage().device)
x.item()
torch.ones(1, **m).item()
float(torch.ones(1, **m))
bool(torch.ones(1, **m))
x.tolist()
x.numpy()
np.asarray(x)
x.cpu()
x.to("cpu")
torch.ones(3, 4).copy_(x)
nn.Linear(2, 2, **m).to("cpu")
x + torch.ones(3, 4)
x.pin_memory()
x.share_memory_()
torch.Generator("meta")
torch.nonzero(x)
x[x > 0]
torch.unique(x)
r = x + torch.tensor(1.), x + 1, 2 * x, x / 3, x ** 2, x // 2, -x, x > 0, x == x, ~(x > 0), x.pow(2).sum().sqrt()
r = x.t(), x[0], x[:, 1:], x[..., None], x.reshape(-1), x.view(2, 6), x.expand(2, 3, 4), x.unfold(0, 2, 1), x.flip(0), x.roll(1), x.repeat(2, 2), x.permute(1, 0), x.squeeze(), x.unsqueeze(0), x.chunk(2, 1), x.split(2, 1), x.diagonal(), x.view(torch.int32)
r = x.sum(), x.sum(0), x.mean(1, keepdim=True), x.max(1), x.min(), x.argmax(1), x.std(), x.var(0), x.norm(), x.any(), x.all(1), x.prod(), x.cumsum(0), x.logsumexp(1), x.amax(0)
r = x @ x.t(), torch.bmm(torch.ones(2, 3, 4, **m), torch.ones(2, 4, 5, **m)), torch.einsum("ij,kj->ik", x, x), torch.addmm(torch.ones(3, **m), x, x.t()), torch.outer(x[0], x[1]), torch.dot(x[0], x[1]), x.matmul(torch.ones(4, **m))
r = torch.cat([x, x]), torch.stack([x, x]), torch.where(x > 0, x, 0), x.sort(), x.topk(2), x.gather(0, torch.zeros(1, 4, dtype=torch.long, **m)), x.index_select(0, torch.zeros(2, dtype=torch.long, **m)), x[torch.zeros(2, dtype=torch.long, **m)], x.masked_fill(x > 0, 1.), x.tril(), x.clamp(0, 1), x.round()
r = x.to(torch.float64), x.half(), x.contiguous(), x.clone(), x.detach(), x.long(), x.t().contiguous(), x.bfloat16() + x, x.t().clone()
r = F.softmax(x, -1), F.log_softmax(x, 0), F.relu(x), F.gelu(x), F.silu(x), F.layer_norm(x, (4,)), F.pad(x, (1, 1)), F.dropout(x), F.linear(x, torch.ones(5, 4, **m)), F.normalize(x), F.one_hot(torch.zeros(3, dtype=torch.long, **m), 4), F.embedding(torch.zeros(2, 3, dtype=torch.long, **m), x)
y = torch.ones(2, 4, 8, 8, **m); r = F.conv2d(y, torch.ones(6, 4, 3, 3, **m), padding=1), F.max_pool2d(y, 2), F.avg_pool2d(y, 3), F.adaptive_avg_pool2d(y, 2), F.interpolate(y, scale_factor=2), F.conv_transpose2d(y, torch.ones(4, 3, 2, 2, **m), stride=2), F.group_norm(y, 2), F.batch_norm(y, None, None, training=True), F.unfold(y, 2), F.pixel_shuffle(y, 2)
r = F.cross_entropy(x, torch.zeros(3, dtype=torch.long, **m)), F.mse_loss(x, x), F.nll_loss(x, torch.zeros(3, dtype=torch.long, **m)), F.binary_cross_entropy_with_logits(x, x), F.l1_loss(x, x, reduction="none"), F.kl_div(x, x, reduction="sum")
r = F.scaled_dot_product_attention(*[torch.ones(2, 2, 5, 4, **m)] * 3), F.scaled_dot_product_attention(*[torch.ones(2, 2, 5, 4, **m)] * 3, is_causal=True)
x.add_(1); x[0] = 2; x.fill_(3); x.zero_(); x.mul_(x); x.copy_(torch.ones(3, 4)); x[:, 1] += 1; r = x
r = torch.randn(2, 3, **m), torch.arange(5, **m), torch.eye(3, **m), torch.full((2,), 3, **m), torch.linspace(0, 1, 4, **m), torch.randint(3, (2,), **m), torch.randperm(4, **m), torch.zeros_like(torch.ones(2), **m), torch.empty_strided((2,), (3,), **m), torch.rand_like(x), torch.tensor([1., 2.], **m), torch.as_tensor([1, 2], **m), torch.scalar_tensor(2., **m), torch.ones(2).to("meta"), torch.ones(2).to(dtype=torch.half, **m), torch.from_numpy(np.ones(2)).to("meta"), torch.hann_window(4, **m), torch.logspace(0, 1, 3, **m)
r = torch.bernoulli(x), torch.normal(x, 1.), torch.empty(2, **m).uniform_(), torch.empty(2, **m).exponential_(), x.normal_(), torch.poisson(x)
torch.rand(2, **m); _cpu = torch.rand(2); r = _cpu.tolist()
r = torch.empty(1 << 20, 1 << 20, **m).sum(0), torch.empty(10**6, 10**6, **m) @ torch.empty(10**6, 2, **m), sum(p.numel() for p in nn.Linear(100000, 100000, **m).parameters())
r = nn.init.xavier_uniform_(torch.empty(3, 3, **m)), nn.init.trunc_normal_(torch.empty(3, 3, **m)), nn.init.kaiming_normal_(torch.empty(3, 3, **m)), nn.init.constant_(torch.empty(2, **m), 1.)
_l = nn.Linear(4, 3, **m); y = _l(x); r = y, type(y.grad_fn).__name__; y.sum().backward(); s = _l.weight.grad, _l.bias.grad
p = nn.Parameter(torch.ones(3, **m)); _o = optim.Adam([p]); (p * 2).sum().backward(); _o.step(); r = p, _o.state[p]["exp_avg"]
with torch.device("meta"): _n = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)); y = _n(torch.ones(2, 3, 8, 8)); y.sum().backward(); r = y, [q.grad for q in _n.parameters()], [b for b in _n.buffers()]
with torch.device("meta"): _n = nn.TransformerEncoderLayer(8, 2, 16); r = _n(torch.ones(5, 3, 8)).shape
with torch.device("meta"): _n = nn.Embedding(4, 5); r = _n(torch.ones(5, 3, dtype=torch.long))
with torch.device("meta"): r = torch.ones(2), torch.empty(3).uniform_(), torch.arange(3), torch.zeros(2, device="cpu").is_meta
torch.set_default_device("meta"); r = torch.ones(2); torch.set_default_device("cpu"); s = torch.ones(2).is_meta
_n = nn.Linear(2, 2, **m).to_empty(device="cpu"); r = _n.weight.shape, _n.weight.is_meta, _n.weight.requires_grad
r = nn.Linear(2, 2).to("meta").weight, nn.Linear(2, 2).to(torch.device("meta"), torch.float16).weight, nn.BatchNorm1d(2).to("meta").running_mean
_n = nn.Linear(2, 3, **m); _n.load_state_dict({"weight": torch.ones(3, 2), "bias": torch.ones(3)}, assign=True); r = _n.weight.tolist(), type(_n.weight).__name__, _n.weight.requires_grad
_n = nn.Linear(2, 3); _n.load_state_dict({"weight": torch.ones(3, 2, **m), "bias": torch.ones(3)}, assign=True); r = _n.weight
_n = nn.Linear(2, 3); _n.load_state_dict({"weight": torch.ones(3, 2, **m), "bias": torch.ones(3)})
_n = nn.Linear(2, 3, **m); _n.load_state_dict({"weight": torch.ones(3, 2), "bias": torch.ones(3)}); r = _n.weight
torch.manual_seed(0); _n = nn.utils.skip_init(nn.Linear, 3, 4); r = _n.weight.shape, _n.weight.is_meta, torch.rand(2).tolist(), nn.utils.skip_init(nn.Linear, 3, 4, **m).weight
import io; _b = io.BytesIO(); torch.save(nn.Linear(2, 3).state_dict(), _b); _b.seek(0); r = torch.load(_b, map_location="meta")
import io; _b = io.BytesIO(); torch.save([x, nn.Parameter(x.half()), x.t()], _b); _b.seek(0); r = torch.load(_b)
import copy, pickle; r = copy.deepcopy(x), copy.deepcopy(nn.Linear(2, 3, **m)).weight, pickle.loads(pickle.dumps(x.t())), copy.copy(x)
torch.utils.dlpack.to_dlpack(x)
"""


def seen(value: Any, library: ModuleType) -> Any:
    """What can be compared: of tensors all but the data, where there is none."""
    if isinstance(value, library.Tensor):
        facts = str(value.dtype).split(".")[1], tuple(value.shape), tuple(value.stride()), value.requires_grad
        return (*facts, value.is_meta)
    if isinstance(value, dict):
        return {key: seen(item, library) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [seen(item, library) for item in value]
    return value


def outcome(program: str, library: ModuleType) -> Any:
    import numpy as np

    names = {"torch": library, "nn": library.nn, "F": library.nn.functional, "optim": library.optim, "np": np}
    library.manual_seed(0)
    try:
        exec(compile(SETTINGS + program, "<program>", "exec"), names)
    except Exception as error:
        return type(error).__name__, str(error)[:40]
    return {name: seen(names[name], library) for name in ("r", "s", "x") if name in names}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_meta(program: str) -> None:
    mine, theirs = outcome(program, CANDIDATE), outcome(program, REFERENCE)
    data_dependent = (
        isinstance(theirs, tuple) and theirs[0] == "NotImplementedError" and "meta tensor" not in theirs[1]
    )
    if data_dependent:  # PyTorch names its own places in such messages
        assert mine[0] == theirs[0]
    else:
        assert mine == theirs


def test_files_go_both_ways() -> None:
    import io

    for writer, reader in ((CANDIDATE, REFERENCE), (REFERENCE, CANDIDATE)):
        file = io.BytesIO()
        writer.save(
            {"a": writer.ones(2, 3, device="meta").t(), "b": writer.nn.Linear(2, 2, device="meta").weight},
            file,
        )
        file.seek(0)
        loaded = reader.load(file)
        assert loaded["a"].is_meta
        assert loaded["a"].stride() == (1, 3)
        assert type(loaded["b"]) is reader.nn.Parameter
        assert loaded["b"].requires_grad


def test_what_needs_the_data_says_so() -> None:
    with pytest.raises(NotImplementedError, match="no data"):
        CANDIDATE.histc(CANDIDATE.ones(3, device="meta"))
