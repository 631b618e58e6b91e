"""Export to ONNX: what onnxruntime gives for the file is what the model gives, for several sizes."""

import random as pyrandom

import numpy as np
import pytest

import rustnn as torch
import rustnn.nn.functional as F
import rustnn.onnx
from rustnn import nn

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

SIZES = (3, 1, 5)


def flat(result):
    """All tensors of a result."""
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts if part is not None for tensor in flat(part)]


def ints(high, *shape):
    return ("ints", high, shape)


def bools(*shape):
    return ("bools", None, shape)


def positive(*shape):
    return ("positive", None, shape)


def doubles(*shape):
    return ("doubles", None, shape)


def made(spec, sizes):
    """A tensor of a shape in which names stand for sizes."""
    kind, high, shape = (
        spec if spec and isinstance(spec[0], str) and spec[0] in KINDS else ("floats", None, spec)
    )
    shape = [sizes.get(size, size) if isinstance(size, str) else size for size in shape]
    return KINDS[kind](shape, high)


KINDS = {
    "floats": lambda shape, _: torch.randn(shape),
    "doubles": lambda shape, _: torch.randn(shape, dtype=torch.float64),
    "positive": lambda shape, _: torch.rand(shape) + 0.1,
    "ints": lambda shape, high: torch.randint(0, high, shape),
    "bools": lambda shape, _: torch.rand(shape) > 0.5,
}


def axes_of(spec):
    shape = spec[2] if spec and isinstance(spec[0], str) and spec[0] in KINDS else spec
    return {axis: name for axis, name in enumerate(shape) if isinstance(name, str)}


def session_of(program):
    data = program.model_proto
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(session, program, args):
    wanted = {entry.name for entry in session.get_inputs()}
    feeds = {name: tensor.numpy() for name, tensor in zip(program.input_names, flat(args), strict=True)}
    return session.run(None, {name: data for name, data in feeds.items() if name in wanted})


def agree(session, program, model, args, rtol=1e-4, atol=1e-5):
    with torch.no_grad():
        expected = flat(model(*args))
    got = run(session, program, args)
    assert len(got) == len(expected)
    for ours, theirs in zip(expected, got, strict=True):
        ours = ours.numpy()
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(theirs, ours, rtol=rtol, atol=atol)


def check(model, *specs, sizes=({"N": 3}, {"N": 1}, {"N": 5}), opset=None, **tolerances):
    """Export with the first sizes, and compare with all of them."""
    torch.manual_seed(0)
    if isinstance(model, nn.Module):
        model.eval()
    args = tuple(made(spec, sizes[0]) for spec in specs)
    names = [f"in{i}" for i in range(len(args))]
    axes = {name: axes_of(spec) for name, spec in zip(names, specs, strict=True)}
    program = rustnn.onnx.export(model, args, input_names=names, dynamic_axes=axes, opset_version=opset)
    session = session_of(program)
    for chosen in sizes:
        agree(session, program, model, tuple(made(spec, chosen) for spec in specs), **tolerances)
    return program


# ---- single functions ------------------------------------------------------------------------------------

A = ("N", 4)
B = ("N", 3, 8)
IMAGE = ("N", 4, 8, 8)


def inplace(x):
    y = x * 2
    y += 1
    y.mul_(x).clamp_(min=0)
    F.relu_(y)
    return y - x


def write_slice(x):
    y = x.clone()
    y[:, 1] = 5.0
    y[:, 2:] = x[:, :2] * 3
    y[:, 0] += 1
    y[..., -1] = x[:, 0]
    return y


def write_mask(x):
    y = x.clone()
    y[x > 0] = 0.5
    y.masked_fill_(x < -1, -9.0)
    return y


def outputs_by_step(x):
    out = torch.zeros(x.size(0), 3, 8)
    state = torch.zeros(x.size(0), 8)
    for i in range(x.size(1)):
        state = torch.tanh(state + x[:, i])
        out[:, i] = state
    return out


def causal(x):
    length = x.size(1)
    mask = torch.tril(torch.ones(length, length)).view(1, length, length)
    scores = x @ x.transpose(1, 2) / length**0.5
    return scores.masked_fill(mask == 0, float("-inf")).softmax(-1) @ x


FUNCTIONS = [
    # activations
    *[
        (f, lambda x, f=f: getattr(F, f)(x), A)
        for f in (
            "relu relu6 leaky_relu elu celu selu sigmoid tanh softplus softsign hardtanh hardsigmoid hardswish silu "
            "mish gelu logsigmoid hardshrink softshrink tanhshrink rrelu"
        ).split()
    ],
    ("gelu-tanh", lambda x: F.gelu(x, approximate="tanh"), A),
    ("softplus-beta", lambda x: F.softplus(x, 2.0), A),
    ("glu", lambda x: F.glu(x), B),
    ("threshold", lambda x: F.threshold(x, 0.1, 7.0), A),
    ("softmax", lambda x: (x.softmax(-1), F.log_softmax(x, 1), F.softmin(x, 1)), B),
    # arithmetic and promotion
    ("arithmetic", lambda x, y: (x + y, x - 2 * y, x * y / 3, 2 - x, 1 / (y + 9), x - y * 0.5), A, A),
    ("alpha", lambda x, y: (torch.add(x, y, alpha=2), x.sub(y, alpha=0.5), torch.rsub(x, y)), A, A),
    ("broadcast", lambda x, y: x + y[:, :1].unsqueeze(1), B, A),
    ("promotion", lambda x, i: (x * i, i / 2, i * 2, i + True, x > i, i == 1), A, ints(5, "N", 4)),
    ("doubles", lambda x, y: (x + y, x * 2.5, x.float()), doubles("N", 4), A),
    (
        "floor-division",
        lambda x, i: (i // 2, i % 3, x // 0.7, x % 0.7, -i // 3, (-i) % 3),
        A,
        ints(9, "N", 4),
    ),
    (
        "rounding-modes",
        lambda x: (torch.div(x, 0.3, rounding_mode="floor"), x.div(0.3, rounding_mode="trunc")),
        A,
    ),
    ("fmod", lambda x: torch.fmod(x, 0.7), A),
    ("pow", lambda x: (x**2, x**0.5, x**3, 2**x, x.pow(1.7), x.square()), positive("N", 4)),
    ("comparisons", lambda x, y: (x > y, x >= 0, x < y, x <= 1, x == y, x != y), A, A),
    (
        "logic",
        lambda a, b: (a & b, a | b, a ^ b, ~a, torch.logical_and(a, b), a.logical_not()),
        bools("N", 4),
        bools("N", 4),
    ),
    ("bits", lambda a: (a & 3, a | 4, a ^ 1, ~a), ints(9, "N", 4)),
    ("where", lambda x, y: (torch.where(x > 0, x, y), torch.where(x > 0, x, 0.0), x.where(x > 0, y)), A, A),
    (
        "clamp",
        lambda x, y: (x.clamp(-0.5, 0.5), x.clamp(min=0), x.clamp(max=y), torch.clamp_min(x, 0.1)),
        A,
        A,
    ),
    ("extremes", lambda x, y: (torch.maximum(x, y), torch.minimum(x, y), torch.max(x, y)), A, A),
    *[
        (f, lambda x, f=f: getattr(torch, f)(x), positive("N", 4))
        for f in (
            "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asinh atan sinh cosh erf erfc "
            "ceil floor trunc frac round neg abs sign square deg2rad isnan isfinite logit"
        ).split()
    ],
    ("acos", lambda x: (torch.acos(x * 0.5), torch.asin(x * 0.5), torch.atanh(x * 0.5)), positive("N", 4)),
    (
        "isinf",
        lambda x: (torch.isinf(x / 0), torch.isposinf(x / 0), torch.nan_to_num(x / 0, 0.0, 9.0, -9.0)),
        A,
    ),
    (
        "lerp",
        lambda x, y: (torch.lerp(x, y, 0.3), torch.addcmul(x, y, y, value=2), torch.addcdiv(x, y, y + 9)),
        A,
        A,
    ),
    ("atan2", lambda x, y: (torch.atan2(x, y), torch.hypot(x, y), torch.logaddexp(x, y)), A, A),
    (
        "casts",
        lambda x: (x.long(), x.int().float(), x.to(torch.float64), x > 0, (x > 0).float(), x.bool()),
        A,
    ),
    # products
    ("linear", lambda x: F.linear(x, torch.ones(5, 8), torch.ones(5)), B),
    ("matmul", lambda x, y: (x @ y.transpose(1, 2), torch.bmm(x, y.mT), torch.matmul(x, y[0, 0])), B, B),
    (
        "mm",
        lambda x: (torch.mm(x, torch.ones(4, 2)), torch.addmm(torch.ones(2), x, torch.ones(4, 2), beta=2)),
        A,
    ),
    ("outer", lambda x: (torch.outer(x[0], x[0]), torch.dot(x[0], x[0]), x.mv(x[0])), A),
    ("baddbmm", lambda x: torch.baddbmm(torch.ones(1), x, x.mT, alpha=0.5), B),
    ("einsum", lambda x, y: (torch.einsum("bij,bkj->bik", x, y), torch.einsum("b i j -> b j", x)), B, B),
    ("tensordot", lambda x: torch.tensordot(x, torch.ones(8, 2), dims=1), B),
    # reductions
    (
        "sum",
        lambda x: (x.sum(), x.sum(1), x.sum((0, 2), keepdim=True), x.mean(), x.mean(-1), x.mean((1, 2))),
        B,
    ),
    (
        "sum-ints",
        lambda i: (i.sum(), i.sum(1), i.float().mean(), i.prod(1), i.sum(dtype=torch.float32)),
        ints(4, "N", 4),
    ),
    ("max", lambda x: (x.max(), x.max(1), x.min(-1, keepdim=True), x.amax((1, 2)), x.amin(1)), B),
    ("argmax", lambda x: (x.argmax(1), x.argmin(-1, keepdim=True), x.argmax()), B),
    ("any", lambda x: ((x > 0).any(), (x > 0).all(1), (x > 0).any(-1, keepdim=True)), B),
    (
        "var",
        lambda x: (
            x.var(),
            x.std(-1),
            x.var(1, unbiased=False),
            torch.var_mean(x, 1),
            x.std((1, 2), keepdim=True),
        ),
        B,
    ),
    (
        "norms",
        lambda x: (
            x.norm(),
            x.norm(dim=-1),
            x.norm(p=1, dim=1),
            F.normalize(x, dim=-1),
            torch.linalg.norm(x),
        ),
        B,
    ),
    ("logsumexp", lambda x: (x.logsumexp(-1), torch.logsumexp(x, (1, 2), keepdim=True)), B),
    (
        "distances",
        lambda x, y: (
            F.cosine_similarity(x, y),
            F.pairwise_distance(x, y),
            F.mse_loss(x, y),
            F.l1_loss(x, y),
        ),
        A,
        A,
    ),
    ("cumsum", lambda x: (x.cumsum(1), torch.cumsum(x, -1)), B),
    ("count", lambda x: torch.count_nonzero(x > 0, 1), B),
    # shapes
    (
        "reshape",
        lambda x: (x.reshape(-1, 8), x.view(x.size(0), -1), x.flatten(1), x.view(x.shape[0], 2, 12)),
        B,
    ),
    (
        "reshape-batch",
        lambda x: (x.reshape(x.size(0) * 3, 8), x.view(-1), x.unflatten(-1, (2, 4)), x.view(-1, 24)),
        B,
    ),
    ("squeeze", lambda x: (x.unsqueeze(1).squeeze(1), x[:, :1].squeeze(1), x.unsqueeze(-1), x[None]), B),
    (
        "permute",
        lambda x: (x.permute(2, 0, 1), x.transpose(1, 2), x.mT, x.movedim(-1, 0), x[0].T, x[0].t()),
        B,
    ),
    (
        "expand",
        lambda x: (x[:, None].expand(-1, 5, -1), x[:1].expand(x.size(0), 4), x.unsqueeze(1).repeat(1, 2, 1)),
        A,
    ),
    (
        "expand-as",
        lambda x, y: (x.unsqueeze(1).expand_as(y[:, :, :4]), torch.broadcast_to(x[:1], x.shape)),
        A,
        B,
    ),
    ("repeat-interleave", lambda x: (x.repeat_interleave(2, 1), torch.tile(x, (1, 2)), x.repeat(2, 1)), A),
    (
        "cat",
        lambda x, y: (torch.cat([x, y], 1), torch.cat([x, y]), torch.stack([x, y], 1), torch.hstack([x, y])),
        A,
        A,
    ),
    (
        "split",
        lambda x: (
            x.chunk(3, -1),
            x.split(3, -1),
            x.split([2, 6], 2),
            x.unbind(1),
            torch.tensor_split(x, 3, 2),
        ),
        B,
    ),
    ("split-batch", lambda x: (x[: x.size(0) // 2], x[x.size(0) // 2 :]), ("N", 4)),
    ("flip", lambda x: (x.flip(1), x.flip(-1, 1), x.roll(1, 1), torch.fliplr(x)), B),
    ("narrow", lambda x: (x.narrow(1, 1, 2), x.select(2, 3), x.narrow(-1, 0, 4)), B),
    ("tril", lambda x: (x.tril(), x.triu(1), torch.tril(x, -1)), B),
    ("diagonal", lambda x: x[:, :, :3].diagonal(0, 1, 2), B),
    ("shuffles", lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 2)), IMAGE),
    (
        "meshgrid",
        lambda x: torch.meshgrid(torch.arange(3) + x[0].long(), torch.arange(2), indexing="ij"),
        ("N",),
    ),
    # indices
    (
        "slices",
        lambda x: (x[:, 0], x[:, -1], x[:, 1:], x[..., ::2], x[:, :-1, 2:5], x[0], x[:, None, 0], x[-1, -1]),
        B,
    ),
    ("index-list", lambda x: (x[:, [0, 2]], x[:, :, torch.tensor([1, 0, 3])], x[..., [1]]), B),
    (
        "index-tensors",
        lambda x, i: (x[torch.arange(x.size(0)), i], x[:, i], x[i], x[:, i[:1], i[:1]]),
        B,
        ints(1, "N"),
    ),
    ("index-middle", lambda x: x[:, torch.tensor([0, 2]), torch.tensor([1, 5])], B),
    (
        "gather",
        lambda x, i: (x.gather(1, i), torch.take_along_dim(x, i, 1), x.index_select(1, torch.tensor([0, 2]))),
        A,
        ints(4, "N", 2),
    ),
    (
        "scatter",
        lambda x, i: (
            torch.zeros_like(x).scatter_(1, i, 1.0),
            x.scatter(1, i[:, :1], x[:, :1]),
            x.scatter_add(1, i[:, :1], x[:, :1]),
        ),
        A,
        ints(1, "N", 1),
    ),
    ("one-hot", lambda i: (F.one_hot(i, 6), F.embedding(i, torch.arange(12.0).view(6, 2))), ints(6, "N", 3)),
    ("masks", lambda x: (x.masked_fill(x > 0, -1.0), x.masked_fill(x > 0, float("-inf"))), A),
    (
        "topk",
        lambda x: (x.topk(2), x.sort(-1), x.argsort(1, descending=True), x.topk(1, 1, largest=False)),
        A,
    ),
    (
        "index-add",
        lambda x: (x.index_add(1, torch.tensor([0, 2]), x[:, :2]), x.index_fill(1, torch.tensor([1]), 3.0)),
        A,
    ),
    # writing
    ("inplace", inplace, A),
    ("write-slice", write_slice, A),
    ("write-mask", write_mask, A),
    ("outputs-by-step", outputs_by_step, B),
    # creation
    (
        "arange",
        lambda x: (
            torch.arange(x.size(0)),
            torch.arange(x.size(1)) + x,
            torch.arange(1, x.size(0) + 1, dtype=torch.float32),
        ),
        A,
    ),
    (
        "creation",
        lambda x: (
            torch.zeros_like(x),
            x.new_ones(x.size(0), 2),
            torch.full((x.size(0), 3), 2.5),
            torch.eye(4) @ x.mT,
        ),
        A,
    ),
    (
        "like",
        lambda x: (
            torch.ones_like(x, dtype=torch.int64),
            torch.full_like(x, 3),
            x.new_zeros(2),
            torch.zeros(x.shape),
        ),
        A,
    ),
    (
        "size-as-number",
        lambda x: (x.sum(0) / x.size(0), x * x.size(0) ** -0.5, x + len(x), x.sum() / x.numel()),
        A,
    ),
    ("linspace", lambda x: torch.linspace(0, 1, x.size(0)).unsqueeze(1) * x, A),
    # convolutions and pooling
    ("pad", lambda x: (F.pad(x, (1, 2)), F.pad(x, (1, 1, 2, 0), value=3.0), F.pad(x, (-1, 1))), B),
    (
        "pad-modes",
        lambda x: (
            F.pad(x, (1, 1, 2, 1), "reflect"),
            F.pad(x, (1, 2, 0, 1), "replicate"),
            F.pad(x, (1, 2, 1, 1), "circular"),
        ),
        IMAGE,
    ),
    (
        "nearest",
        lambda x: (
            F.interpolate(x, scale_factor=2),
            F.interpolate(x, (5, 11)),
            F.interpolate(x, scale_factor=1.5, mode="nearest-exact"),
        ),
        IMAGE,
    ),
    (
        "bilinear",
        lambda x: (
            F.interpolate(x, scale_factor=2, mode="bilinear"),
            F.interpolate(x, (5, 11), mode="bilinear", align_corners=True),
        ),
        IMAGE,
    ),
    ("bicubic", lambda x: F.interpolate(x, (12, 20), mode="bicubic"), IMAGE),
    ("linear-1d", lambda x: F.interpolate(x, scale_factor=2, mode="linear"), B),
    (
        "adaptive",
        lambda x: (
            F.adaptive_avg_pool2d(x, 1),
            F.adaptive_avg_pool2d(x, (2, 4)),
            F.adaptive_avg_pool2d(x, (3, 5)),
            F.adaptive_max_pool2d(x, 2),
            F.adaptive_max_pool2d(x, 1),
        ),
        IMAGE,
    ),
    (
        "max-pool",
        lambda x: (
            F.max_pool2d(x, 3, 2, 1),
            F.max_pool2d(x, 3, 1, dilation=2),
            F.max_pool2d(x, 2, return_indices=True),
        ),
        IMAGE,
    ),
    (
        "avg-pool",
        lambda x: (
            F.avg_pool2d(x, 2),
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.avg_pool2d(x, 2, divisor_override=3),
        ),
        IMAGE,
    ),
    (
        "pool-1d",
        lambda x: (
            F.max_pool1d(x, 2),
            F.avg_pool1d(x, 3, 1, 1),
            F.adaptive_avg_pool1d(x, 2),
            F.lp_pool1d(x, 2, 2),
        ),
        B,
    ),
    (
        "pool-ceil",
        lambda x: (F.max_pool2d(x, 3, 2, ceil_mode=True), F.avg_pool2d(x, 3, 2, ceil_mode=True)),
        IMAGE,
    ),
    ("unfold", lambda x: F.unfold(x, 3, padding=1, stride=2), IMAGE),
    ("grid-sample", lambda x, y: F.grid_sample(x, y.tanh(), align_corners=False), IMAGE, ("N", 3, 5, 2)),
    ("local-response-norm", lambda x: F.local_response_norm(x, 3), IMAGE),
    # attention
    ("attention", lambda q: F.scaled_dot_product_attention(q, q, q), ("N", 2, 5, 4)),
    ("attention-causal", lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), ("N", 2, 5, 4)),
    ("attention-mask", lambda q, m: F.scaled_dot_product_attention(q, q, q, m), ("N", 2, 5, 4), bools(5, 5)),
    (
        "attention-grouped",
        lambda q: F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], enable_gqa=True),
        ("N", 4, 5, 4),
    ),
    ("causal-by-hand", causal, B),
]


@pytest.mark.parametrize(("model", "specs"), [pytest.param(f, s, id=name) for name, f, *s in FUNCTIONS])
def test_functions(model, specs):
    check(model, *specs)


SEQUENCES = ({"N": 3, "L": 6}, {"N": 1, "L": 6}, {"N": 2, "L": 11})


@pytest.mark.parametrize(
    "model",
    [
        causal,
        lambda x: x + torch.arange(x.size(1), dtype=torch.float32).unsqueeze(-1),
        lambda x: x[:, : x.size(1) // 2],
        lambda x: x[:, -1],
        lambda x: x.reshape(x.size(0), x.size(1) * 8),
        lambda x: x.reshape(x.size(0) * x.size(1), 8),
        lambda x: x.view(x.size(0), x.size(1), 2, 4).transpose(1, 2).reshape(x.size(0) * 2, x.size(1), 4),
        lambda x: F.pad(x, (0, 0, 1, x.size(1))),
        lambda x: x.mean(1, keepdim=True).expand(-1, x.size(1) + 1, -1),
        lambda x: F.interpolate(x.transpose(1, 2), size=2 * x.size(1)),
        lambda x: torch.ones(x.size(1), x.size(1)).triu(1).bool() | (x[0, 0, 0] > 9),
        lambda x: x.chunk(2, 0)[0],
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        lambda x: x.std(1),
        lambda x: x.flip(1).cumsum(1),
        lambda x: x.topk(2, dim=1)[0],
        lambda x: x.sort(1)[0],
    ],
)
def test_dynamic_sequences(model):
    sizes = SEQUENCES
    check(model, ("N", "L", 8), sizes=sizes)


# ---- layers ----------------------------------------------------------------------------------------------

LAYERS = [
    (nn.Linear(8, 5), B),
    (nn.Bilinear(4, 4, 3), A, A),
    (nn.Conv1d(3, 6, 3, padding=1), B),
    (nn.Conv1d(3, 6, 3, padding="same"), B),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), IMAGE),
    (nn.Conv2d(4, 8, 3, groups=4, dilation=2), IMAGE),
    (nn.Conv2d(4, 4, (3, 2), padding="same", padding_mode="reflect"), IMAGE),
    (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), ("N", 2, 4, 5, 6)),
    (nn.ConvTranspose1d(3, 2, 3, stride=2, output_padding=1), B),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), IMAGE),
    (nn.ConvTranspose2d(4, 4, 2, stride=2, groups=2), IMAGE),
    (nn.ConvTranspose3d(2, 3, 2, dilation=2), ("N", 2, 4, 5, 6)),
    (nn.BatchNorm1d(4), A),
    (nn.BatchNorm1d(3), B),
    (nn.BatchNorm2d(4, affine=False), IMAGE),
    (nn.BatchNorm2d(4, track_running_stats=False), IMAGE),
    (nn.BatchNorm3d(2), ("N", 2, 4, 5, 6)),
    (nn.LayerNorm(8), B),
    (nn.LayerNorm((3, 8), elementwise_affine=False), B),
    (nn.GroupNorm(2, 4), IMAGE),
    (nn.InstanceNorm2d(4, affine=True), IMAGE),
    (nn.InstanceNorm1d(3), B),
    (nn.RMSNorm(8), B),
    (nn.PReLU(4), IMAGE),
    (nn.PReLU(), A),
    (nn.Embedding(10, 6, padding_idx=0), ints(10, "N", 3)),
    (nn.MaxPool3d(2), ("N", 2, 4, 6, 6)),
    (nn.AvgPool3d(2), ("N", 2, 4, 6, 6)),
    (nn.AdaptiveAvgPool3d(2), ("N", 2, 4, 6, 6)),
    (nn.ZeroPad2d((1, 2, 0, 1)), IMAGE),
    (nn.ReflectionPad2d(1), IMAGE),
    (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), IMAGE),
    (nn.Softmax2d(), IMAGE),
    (nn.Dropout2d(), IMAGE),
    (nn.AlphaDropout(), A),
    (nn.Unflatten(1, (2, 2)), A),
    (nn.CosineSimilarity(), A, A),
    (nn.LSTM(8, 5), ("L", "N", 8)),
    (nn.LSTM(8, 5, 2, batch_first=True, bidirectional=True), B),
    (nn.LSTM(8, 5, bias=False), B),
    (nn.LSTM(8, 5), ("L", 8)),
    (nn.GRU(8, 5, 2, batch_first=True), B),
    (nn.GRU(8, 5, bidirectional=True), ("L", "N", 8)),
    (nn.RNN(8, 5, 2, nonlinearity="relu", bidirectional=True), ("L", "N", 8)),
    (nn.RNN(8, 5, batch_first=True, dropout=0.0), B),
    (nn.LSTMCell(4, 5), A),
    (nn.GRUCell(4, 5), A),
    (nn.RNNCell(4, 5), A),
    (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ("N", "L", 8)),
    (nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu"), ("L", "N", 8)),
    (nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), ("N", "L", 8), ("N", 5, 8)),
    (nn.Transformer(8, 2, 1, 1, 16, batch_first=True), ("N", "L", 8), ("N", 5, 8)),
]


@pytest.mark.parametrize(
    ("model", "specs"), [pytest.param(m, s, id=f"{i}-{type(m).__name__}") for i, (m, *s) in enumerate(LAYERS)]
)
def test_layers(model, specs):
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    check(model, *specs, sizes=SEQUENCES)


def test_recurrent_layers_take_states():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 5, 2, batch_first=True)
            self.gru = nn.GRU(5, 4)

        def forward(self, x, h, c, g):
            out, (h, c) = self.lstm(x, (h, c))
            return self.gru(out.transpose(0, 1), g), h, c

    check(Model(), ("N", "L", 8), (2, "N", 5), (2, "N", 5), (1, "N", 4), sizes=SEQUENCES)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", ["none", "causal", "padding"])
def test_multihead_attention(need_weights, masked):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x, lengths):
            options = {}
            if masked == "causal":
                options["attn_mask"] = nn.Transformer.generate_square_subsequent_mask(x.size(1))
            if masked == "padding":
                options["key_padding_mask"] = torch.arange(x.size(1)) >= lengths.unsqueeze(1) + 1
            return self.attention(x, x, x, need_weights=need_weights, **options)

    check(Model(), ("N", "L", 8), ints(4, "N"), sizes=SEQUENCES)


# ---- whole models ----------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.skip = nn.Sequential()
        if stride != 1 or channels != out:
            self.skip = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        out = self.main(x)
        out += self.skip(x)
        return F.relu(out, inplace=True)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks = nn.Sequential(Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 16, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(self.blocks(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.dropout(F.relu(self.fc1(x)), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU())
        self.down2 = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2))
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge = nn.Conv2d(16, 4, 3, padding=1)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.up(F.relu(self.middle(F.avg_pool2d(b, 2))))
        c = self.merge(torch.cat([c, b], dim=1))
        c = F.interpolate(c, size=a.shape[2:], mode="bilinear", align_corners=False)
        return self.out(torch.cat([c, a], 1))


class Classifier(nn.Module):
    def __init__(self, kind, bidirectional):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.rnn = kind(6, 5, 2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(10 if bidirectional else 5, 3)

    def forward(self, tokens):
        out, _ = self.rnn(self.embedding(tokens))
        return self.head(out[:, -1]), self.head(out.mean(dim=1))


class CausalAttention(nn.Module):
    def __init__(self, width, heads, block):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (z.view(B, T, self.heads, C // self.heads).transpose(1, 2) for z in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
        scores = scores.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        out = F.softmax(scores, dim=-1) @ v
        return self.proj(out.transpose(1, 2).contiguous().view(B, T, C))


class GPT(nn.Module):
    def __init__(self, vocabulary=30, width=16, block=24):
        super().__init__()
        self.block = block
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(block, width)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "ln1": nn.LayerNorm(width),
                    "attention": CausalAttention(width, 2, block),
                    "ln2": nn.LayerNorm(width),
                    "mlp": nn.Sequential(
                        nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width), nn.Dropout(0.1)
                    ),
                }
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, idx):
        T = idx.size(1)
        assert self.block >= T
        x = self.tokens(idx) + self.positions(torch.arange(T, device=idx.device))
        for layer in self.layers:
            x = x + layer["attention"](layer["ln1"](x))
            x = x + layer["mlp"](layer["ln2"](x))
        return self.head(self.norm(x))[:, [-1], :]


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.places = nn.Parameter(torch.randn(1, 17, 16))
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.places
        return self.head(self.encoder(x)[:, 0])


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8))
        self.decoder = nn.Sequential(
            nn.Linear(4, 32),
            nn.ReLU(),
            nn.Unflatten(1, (8, 2, 2)),
            nn.ConvTranspose2d(8, 4, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        std = torch.exp(0.5 * log_variance)
        return self.decoder(mean + std), mean, log_variance


class Separable(nn.Module):
    def __init__(self, channels, expansion):
        super().__init__()
        wide = channels * expansion
        self.conv = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(), nn.Conv2d(4, wide, 1), nn.Hardsigmoid()
        )
        self.out = nn.Conv2d(wide, channels, 1)

    def forward(self, x):
        y = self.conv(x)
        return x + self.out(y * self.gate(y))


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.head = nn.Linear(8, 12)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        hidden = self.transformer(self.embedding(source), self.embedding(target), tgt_mask=mask)
        return self.head(hidden)


MLP = nn.Sequential(
    nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 4), nn.Softmax(1)
)
MobileNet = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2, 1),
    nn.Hardswish(),
    Separable(8, 2),
    Separable(8, 3),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 4),
)
PICTURES = ({"N": 2, "H": 16, "W": 16}, {"N": 1, "H": 32, "W": 24}, {"N": 4, "H": 8, "W": 16})
MODELS = {
    "mlp": (MLP, [("N", 8)], SEQUENCES),
    "lenet": (LeNet(), [("N", 1, 28, 28)], SEQUENCES),
    "resnet": (ResNet(), [("N", 3, "H", "W")], ({"N": 1, "H": 32, "W": 32}, {"N": 3, "H": 64, "W": 48})),
    "unet": (UNet(), [("N", 1, "H", "W")], PICTURES),
    "lstm": (Classifier(nn.LSTM, False), [ints(20, "N", "L")], SEQUENCES),
    "bilstm": (Classifier(nn.LSTM, True), [ints(20, "N", "L")], SEQUENCES),
    "gru": (Classifier(nn.GRU, True), [ints(20, "N", "L")], SEQUENCES),
    "rnn": (Classifier(nn.RNN, False), [ints(20, "N", "L")], SEQUENCES),
    "gpt": (GPT(), [ints(30, "N", "L")], SEQUENCES),
    "vit": (VisionTransformer(), [("N", 3, 16, 16)], SEQUENCES),
    "vae": (VAE(), [("N", 1, 8, 8)], SEQUENCES),
    "mobilenet": (MobileNet, [("N", 3, "H", "W")], PICTURES),
    "seq2seq": (
        Seq2Seq(),
        [ints(12, "N", "L"), ints(12, "N", "T")],
        ({"N": 2, "L": 5, "T": 4}, {"N": 3, "L": 7, "T": 9}),
    ),
    "encoder": (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, nn.LayerNorm(8)),
        [("N", "L", 8)],
        SEQUENCES,
    ),
}


@pytest.mark.parametrize("opset", [18, 20, 21])
@pytest.mark.parametrize("name", MODELS)
def test_models(name, opset):
    model, specs, sizes = MODELS[name]
    check(model, *specs, sizes=sizes, opset=opset)


# ---- chance ----------------------------------------------------------------------------------------------


def random_model(seed):
    """A chain of layers and functions that keep (N, L, 8), with skips; what it does is written in its list."""
    rng = pyrandom.Random(seed)
    torch.manual_seed(seed)
    steps = []
    for _ in range(rng.randint(3, 9)):
        steps.append(
            rng.choice(
                [
                    nn.Linear(8, 8),
                    nn.LayerNorm(8),
                    nn.GRU(8, 4, batch_first=True, bidirectional=True),
                    nn.LSTM(8, 8, batch_first=True),
                    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
                    nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)),
                    lambda x: x.transpose(1, 2).flip(1).transpose(1, 2),
                    lambda x: x + x.mean(1, keepdim=True).expand(-1, x.size(1), -1),
                    lambda x: torch.cat([x[:, 1:], x[:, :1]], 1),
                    lambda x: x.reshape(x.size(0) * x.size(1), 8).tanh().view(x.shape),
                    lambda x: x * torch.arange(x.size(1)).unsqueeze(-1) / x.size(1),
                    lambda x: torch.where(x > 0, x, x.exp() - 1),
                    lambda x: x.chunk(2, -1)[1].repeat(1, 1, 2) * 0.5,
                    lambda x: (
                        x.view(x.size(0), -1, 2, 4).permute(0, 1, 3, 2).reshape(x.size(0), x.size(1), 8)
                    ),
                    lambda x: F.pad(x, (0, 0, 1, 0))[:, :-1].clamp(-1, 1),
                    lambda x: x.softmax(1).cumsum(1),
                    lambda x: F.conv1d(x.mT, torch.ones(8, 1, 3) / 3, padding=1, groups=8).mT,
                    lambda x: x.sort(-1)[0].sub_(0.1).relu_(),
                ]
            )
        )

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(s for s in steps if isinstance(s, nn.Module))

        def forward(self, x):
            for i, step in enumerate(steps):
                y = step(x)
                y = y[0] if isinstance(y, tuple) else y
                x = x + y if i % 2 else y
            return x

    return Model()


@pytest.mark.parametrize("seed", range(40))
def test_random_compositions(seed):
    check(random_model(seed), ("N", "L", 8), sizes=SEQUENCES, rtol=1e-3, atol=1e-4)
