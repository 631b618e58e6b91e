"""Pooling, padding, sampling and convolution where one sample call of an operation does not say enough."""

from __future__ import annotations

import itertools

import pytest

from parity.programs import hold

GRIDS = [
    (mode, padding, align, shape)
    for mode, padding, align in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (True, False)
    )
    for shape in ("2, 3, 5, 4", "1, 2, 3, 4, 5")
    if not (mode == "bicubic" and shape.count(",") == 4)
]


@pytest.mark.parametrize(("mode", "padding", "align", "shape"), GRIDS)
def test_grid_sample(mode: str, padding: str, align: bool, shape: str) -> None:
    """Points inside and far outside; both gradients."""
    dims = shape.count(",") - 1
    hold(
        f"""
x, grid = t({shape}), t({shape[0]}, {", ".join("34"[: dims - 1])}, 2, {dims}, low=-2.3, high=2.3)
y = F.grid_sample(x, grid, mode={mode!r}, padding_mode={padding!r}, align_corners={align})
(y * y).sum().backward()
gx, ggrid = x.grad, grid.grad
""",
        dtype="float64",
        requires_grad=True,
    )


@pytest.mark.parametrize("wanted", ["x, grid", "x", "grid"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_second_gradient_of_grid_sample(mode: str, padding: str, wanted: str) -> None:
    """Of both inputs, where one is computed from the other and where one needs no gradient."""
    hold(
        f"""
x = t(2, 2, 4, 3)
grid = t(2, 3, 2, 2, low=-1.4, high=1.4)
if {wanted == "grid"}:
    x = x.detach()
if {wanted == "x"}:
    grid = grid.detach()
if {wanted == "x, grid"}:
    grid = grid + x[:, :1, :3, :2].unsqueeze(-1)[:, 0] * 0.1
y = F.grid_sample(x, grid, mode={mode!r}, padding_mode={padding!r}, align_corners=False)
first = torch.autograd.grad((y * y * y).sum(), [{wanted}], create_graph=True)
second = torch.autograd.grad(sum((g * g).sum() for g in first), [{wanted}])
""",
        dtype="float64",
        requires_grad=True,
    )


PROGRAMS = {
    "grid without pixels": "y = F.grid_sample(t(1, 1, 0, 3), t(1, 1, 1, 2), align_corners=False)",
    "grid of another dtype": "y = F.grid_sample(t(1, 1, 2, 3), t(1, 1, 1, 2).double(), align_corners=False)",
    "grid in an unknown mode": "y = F.grid_sample(t(1, 1, 2, 3), t(1, 1, 1, 2), mode='cubic')",
    "affine": "a = t(2, 2, 3); y = F.affine_grid(a, (2, 1, 3, 4), align_corners=False); z = F.affine_grid(a, [2, 1, 1, 4], True)",
    "affine in space": "y = F.affine_grid(t(1, 3, 4), (1, 2, 2, 3, 4), align_corners=True)",
    "affine of ints": "y = F.affine_grid(ints(1, 2, 3), (1, 2, 2, 3))",
    "fractional": "y, i = F.fractional_max_pool2d(t(2, 3, 7, 9), (2, 3), output_size=(3, 4), return_indices=True)",
    "fractional by ratio": "y = F.fractional_max_pool3d(t(3, 6, 7, 9), 2, output_ratio=(0.5, 0.6, 0.4))",
    "fractional without size": "y = F.fractional_max_pool2d(t(2, 3, 7, 9), 2)",
    "fractional too large": "y = F.fractional_max_pool2d(t(2, 3, 7, 9), 4, output_size=5)",
    "adaptive, keeping a size": "y = F.adaptive_avg_pool2d(t(2, 3, 5, 6), (None, 2)); z = F.adaptive_max_pool3d(t(2, 3, 4, 5), (2, None, 1))",
    "adaptive, too many sizes": "y = F.adaptive_avg_pool3d(t(2, 3), (None, 2, 2))",
    "adaptive to nothing": "y = F.adaptive_avg_pool2d(t(2, 3, 4, 4), 0); z, i = F.adaptive_max_pool2d(t(2, 3, 4, 4), (0, 2), True)",
    "pooling nan": "x = torch.tensor([[[1., nan, 2., -inf, -inf, -inf]]]); y, i = F.max_pool1d(x, 2, return_indices=True)",
    "pooling nan in space": "x = t(1, 3, 4, 4); x[0, 1, 2, 2] = nan; x[0, 2] = -inf; y, i = F.max_pool3d(x, 2, 1, 1, return_indices=True)",
    "adaptive maxima of equal values, nan and -inf": """
x = ints(3, 4, 9, 13, low=0, high=3).float()
x[0, 1, 2:7:2, 3] = nan
x[0, 2, :, 4:9] = nan
x[1] = -inf
x[2, 0, 3, 5] = nan
y = [F.adaptive_max_pool2d(x, s, return_indices=True) for s in (1, (2, 3), (9, 13), (4, 20))]
z = F.adaptive_max_pool3d(x, (2, 4, 3), return_indices=True), F.adaptive_max_pool1d(x[:, 0], 5, return_indices=True)
""",
    "maxima of volumes": """
x = t(2, 3, 7, 9, 11)
x[0, 1, 2, 3, 4] = nan
y = [F.max_pool3d(x, 2, s, p, 1, c) for s in (1, 2, 3) for p in (0, 1) for c in (False, True)]
z = [F.max_pool3d(v, (2, 3, 2), 2) for v in (x.double(), x.half(), ints(1, 4, 5, 6))]
""",
    "maxima of lines": """
x = t(5, 23)
x[1, 3], x[2] = nan, -inf
y = [F.max_pool1d(x, k, s, k // 2) for k in (1, 2, 3, 4, 5, 7) for s in (1, 2, 3, 4, 5)]
z = [F.max_pool1d(x, k) for k in (1, 2, 3, 4, 5, 7, 23)]
""",
    "padding along two axes": """
x = t(2, 3, 5, 7)
y = [F.pad(v, p, m) for m in ("reflect", "replicate", "circular") for p in ((2, 1, 3, 4), (4, 0, 0, 4), (-1, 2, 3, -2))
     for v in (x, x.double(), x.half(), ints(1, 5, 7), torch.complex(x, x))]
z = F.pad(x[None], (1, 2, 3, 1, 2, 0), "reflect"), F.pad(ints(2, 3, 5, 7).byte(), (1, 1, 2, 2), "replicate")
""",
    "unpooling": "y, i = F.max_pool2d(t(2, 3, 5, 6), 2, return_indices=True); z = F.max_unpool2d(y, i, 2, output_size=(5, 6))",
    "unpooling to a size that cannot be": "z = F.max_unpool2d(t(1, 1, 1), ints(1, 1, 1), 2, output_size=(9, 2))",
    "unpooling out of range": "z = F.max_unpool1d(t(1, 1, 1), ints(1, 1, 1, low=7, high=8), 2)",
    "averages of ints": "y = F.avg_pool2d(ints(1, 2, 5, 5, low=-9, high=9), 3, 2, 1, divisor_override=-2)",
    "padding by a value": "y = F.pad(ints(2, 3), (1, -1, 0, 2), value=7); z = F.pad(bools(3), (1, 1), value=1.0)",
    "padding too far": "y = F.pad(t(1, 1, 3), (3, 0), 'reflect')",
    "wrapping twice": "y = F.pad(t(1, 1, 3), (4, 0), 'circular')",
    "padding nothing left": "y = F.pad(t(2, 3), (-2, -2))",
    "padding by a number": "y = F.pad(t(2, 3), 1)",
    "an odd padding": "y = F.pad(t(2, 3), (1, 1, 1))",
    "bytes, bilinear": "y = F.interpolate(ints(2, 3, 9, 7, low=0, high=256).byte(), (5, 12), mode='bilinear')",
    "bytes, smaller": "y = F.interpolate(ints(2, 3, 9, 7, low=0, high=256).byte(), (5, 3), mode='bicubic', antialias=True)",
    "interpolation by both": "y = F.interpolate(t(1, 1, 4), 3, 2.0)",
    "interpolation of a matrix": "y = F.interpolate(t(3, 4), 3)",
    "interpolation in the wrong mode": "y = F.interpolate(t(1, 1, 4), 3, mode='bilinear')",
    "aligned nearest": "y = F.interpolate(t(1, 1, 4), 3, align_corners=True)",
    "upsampling": "y = F.upsample_nearest(t(1, 2, 3, 3), scale_factor=2); z = F.upsample_bilinear(t(1, 2, 3, 3), (5, 4))",
    "channels innermost": """
x = t(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
y = F.conv2d(x, t(3, 4, 3, 3)), F.max_pool2d(x, 2, return_indices=True), F.avg_pool2d(x, 2), F.pad(x, (1, 1))
z = F.interpolate(x, scale_factor=2), F.adaptive_avg_pool2d(x, 2), F.pixel_shuffle(x, 2), F.conv_transpose2d(x, t(4, 2, 2, 2))
w = F.pad(x, (1, 1, 1, 1), "reflect"), F.channel_shuffle(x, 2), F.adaptive_max_pool2d(x, 3), F.unfold(x, 2)
""",
    "gradients, channels innermost": """
x = t(2, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
y, i = F.max_pool2d(x, 3, 2, 1, return_indices=True)
z = F.max_unpool2d(y, i, 3, 2, 1, output_size=(6, 6)) + F.interpolate(F.avg_pool2d(F.max_pool2d(x, 2), 3, 1, 1), (6, 6))
(z * t(2, 4, 6, 6)).sum().backward()
g, z = x.grad, z.detach()
""",
    "strides beyond everything": """
y = F.unfold(t(1, 2, 3, 3), 3, stride=2**62), F.conv3d(t(1, 2, 3, 3, 3), t(2, 2, 2, 2, 2), stride=2**40)
""",
    "convolution of complex numbers": """
x, w, b = (torch.complex(t(*s), t(*s)) for s in [(2, 4, 5, 5), (6, 2, 2, 3), (6,)])
y = F.conv2d(x, w, b, 2, 1, groups=2)
""",
    "convolution of bytes wraps": "y = F.conv1d(ints(1, 2, 9, low=0, high=256).byte(), ints(3, 2, 4, low=0, high=256).byte())",
    "convolution of large ints": "y = F.conv2d(ints(1, 2, 4, 4) * 2**55, ints(3, 2, 2, 2) + 1)",
    "no channels": """
x, w, b = (torch.ones(*s, requires_grad=True) for s in [(1, 0, 4, 4), (2, 0, 3, 3), (2,)])
y = F.conv2d(x, w, b)
y.sum().backward()
z = F.conv1d(t(1, 0, 4), t(2, 0, 3), padding=1), F.conv3d(t(2, 0, 4, 4, 4), t(3, 0, 2, 2, 2)), F.conv2d(t(0, 3, 4, 4), t(2, 3, 3, 3))
g = x.grad, w.grad, b.grad
""",
    "no channels, no batch": "y = F.conv2d(torch.ones(0, 4, 4), torch.ones(2, 0, 3, 3))",
    "a stride of the wrong length": "y = F.conv2d(t(1, 2, 4, 4), t(3, 2, 2, 2), stride=(1, 1, 1))",
    "the same with a stride": "y = F.conv1d(t(1, 2, 4), t(3, 2, 2), stride=2, padding='same')",
    "output padding too large": "y = F.conv_transpose2d(t(1, 2, 4, 4), t(2, 3, 2, 2), output_padding=1)",
    "a kernel larger than the image": "y = F.conv3d(t(1, 2, 4, 4, 4), t(3, 2, 5, 2, 2))",
    "convolution by its general name": "y = torch.convolution(t(1, 2, 4), t(2, 3, 2), t(3), [2], [1], [1], True, [1], 1)",
    "padding modes of layers": """
torch.manual_seed(0)
y = [nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=m)(t(1, 2, 5, 6)) for m in ("reflect", "replicate", "circular")]
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    hold(PROGRAMS[name])


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "complex64"])
def test_means_over_all_axes(dtype: str) -> None:
    """Adaptive averages of one window: large and small, with their gradients."""
    hold(
        f"""
xs = [torch.randn(*s).to(torch.{dtype}).requires_grad_() for s in [(2, 3, 7, 7), (3, 1, 1), (1, 2, 3, 17), (1, 150, 130)]]
ys = [F.adaptive_avg_pool2d(x, 1) for x in xs]
volume = torch.randn(2, 3, 4, 5, 6).to(torch.{dtype}).requires_grad_()
ys += [F.adaptive_avg_pool3d(volume, 1), F.adaptive_avg_pool1d(xs[0][0], 1), F.adaptive_avg_pool1d(xs[0][0], 1)]
sum((y * y.conj() * torch.arange(y.shape[-3])[:, None, None]).real.sum() for y in ys if y.dim() > 2).backward()
gs = [x.grad for x in xs], volume.grad
xs = [x.detach() for x in xs]
volume = volume.detach()
""",
        strides=False,
    )


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((2, 6, 19, 23), (6, 1, 3, 3), "padding=1, groups=6"),
        ((1, 5, 9, 40), (10, 1, 5, 3), "stride=2, padding=(2, 1), groups=5"),
        ((2, 4, 13, 17), (4, 1, 3, 3), "stride=(1, 3), padding=3, dilation=(2, 3), groups=4"),
        ((3, 4, 1, 1), (4, 1, 1, 1), "groups=4"),
        ((3, 7, 12, 33), (1, 7, 3, 3), "padding=1"),
        ((2, 1, 12, 33), (9, 1, 4, 2), "stride=2"),
        ((2, 33, 7, 7), (20, 33, 3, 3), "padding=1"),
        ((3, 17, 30, 9), (16, 17, 3, 3), "padding=(0, 2)"),
        ((1, 16, 25, 27), (40, 16, 3, 3), "padding=(2, 1)"),
    ],
)
def test_algorithms_of_convolution(shape: tuple[int, ...], weight: tuple[int, ...], options: str) -> None:
    """Single rows of filters and Winograd's tiles, at the edges and with few threads' work."""
    hold(
        f"""
x, w, b = t{shape}, t{weight}, t({weight[0]})
y = F.conv2d(x, w, b, {options})
(y * y).sum().backward()
g = x.grad, w.grad, b.grad
y = y.detach()
""",
        requires_grad=True,
        strides=False,
        of_largest=2e-5,  # Winograd's error, in proportion to the largest value
    )


@pytest.mark.parametrize(
    "conv", ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_of_convolution(conv: str, dtype: str) -> None:
    """First and second gradients with every argument, complex ones too."""
    size = "4, 3, 5".split(", ")[: int(conv[-2])]
    weight = "4, 2" if "transpose" in conv else "6, 2"
    last = "output_padding=1, " if "transpose" in conv else ""
    hold(
        f"""
def number(*s):
    return t(*s) if {dtype == "float64"} else torch.complex(t(*s), t(*s)).detach().requires_grad_()
x, w, b = number(2, 4, {", ".join(size)}), number({weight}, {", ".join("232"[: len(size)])}), number({6 if "transpose" not in conv else 4})
y = F.{conv}(x, w, b, stride=2, padding=1, {last}groups=2)
g = torch.autograd.grad((y * y * y.conj()).real.sum() if y.is_complex() else (y * y * y).sum(), (x, w, b), create_graph=True)
h = torch.autograd.grad(sum((v * v.conj()).real.sum() if v.is_complex() else (v * v).sum() for v in g), (x, w, b))
g = [v.detach() for v in g]
del y, number
""",
        dtype="float64",
        requires_grad=True,
        strides=False,
        rtol=1e-7,
        atol=1e-7,
    )
