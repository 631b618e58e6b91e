"""Export to ONNX of single functions and layers, with inputs of several sizes."""

import pytest
from onnx_checks import SEQUENCES, bools, check, doubles, ints, positive

import rustnn as torch
import rustnn.nn.functional as F
from rustnn import nn

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
    (
        "embedding-bags",
        lambda i, x: (
            F.embedding_bag(i, torch.arange(12.0).view(6, 2), mode="sum"),
            F.embedding_bag(i, torch.arange(12.0).view(6, 2), padding_idx=2),
            F.embedding_bag(i, torch.ones(6, 2), mode="sum", per_sample_weights=x),
            F.embedding_bag(i.view(-1), torch.arange(12.0).view(6, 2), torch.tensor([0, 1, 1])),
        ),
        ints(6, "N", 3),
        ("N", 3),
    ),
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
    ("area", lambda x: F.interpolate(x, (3, 4), mode="area"), IMAGE),
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
    ("windows", lambda x: (x.unfold(2, 3, 2), x.unfold(1, 2, 1), torch.atleast_3d(x[:, 0])), B),
    # losses
    (
        "losses",
        lambda x, y: (
            *(f(x, y) for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss)),
            F.binary_cross_entropy_with_logits(x, y.sigmoid()),
            F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), reduction="sum"),
            F.huber_loss(x, y, delta=0.3, reduction="none"),
        ),
        A,
        A,
    ),
    (
        "cross-entropy",
        lambda x, i: (F.cross_entropy(x, i), F.nll_loss(x, i, reduction="none"), F.cross_entropy(x[0], i[0])),
        A,
        ints(4, "N"),
    ),
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
