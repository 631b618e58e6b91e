"""The colours of pictures: brighter, sharper, greyer, fewer; and transforms that change them at random.

Pictures are tensors (..., C, H, W), floats from 0 to 1 or whole numbers from 0 to their largest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rustnn import _C
from rustnn._C import Tensor
from rustnn.datasets.pictures import BITS, PictureTransform, convert_dtype, of_pictures
from rustnn.nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "gaussian_blur",
    "gaussian_noise",
    "grayscale",
    "invert",
    "permute_channels",
    "posterize",
    "solarize",
]


def _largest(image: Tensor) -> float:
    return 1.0 if image.is_floating_point() else float(2 ** BITS[image.dtype] - 1)


def _channels_of_colour(image: Tensor) -> int:
    channels = image.shape[-3]
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, but found {channels}")
    return channels


def _not_negative(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def _light(image: Tensor) -> Tensor:
    """The brightness, one channel of floats."""
    red, green, blue = image.unbind(-3)
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).unsqueeze(-3)


def _blend(image: Tensor, other: Tensor, ratio: float) -> Tensor:
    mixed = image.mul(ratio).add_(other, alpha=1.0 - ratio).clamp_(0, _largest(image))
    return mixed if image.is_floating_point() else mixed.to(image.dtype)


@of_pictures
def grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """Brightness alone, in one channel or, the same, in three. ValueError for other numbers of channels."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if image.shape[-3] == 1:
        return image.expand((*image.shape[:-3], num_output_channels, *image.shape[-2:])).clone()
    light = _light(image).to(image.dtype)
    return light.expand(image.shape) if num_output_channels == 3 else light


@of_pictures
def adjust_brightness(image: Tensor, brightness_factor: float) -> Tensor:
    """All values times a factor: 0 is black, 1 the same picture."""
    _not_negative("brightness_factor", brightness_factor)
    _channels_of_colour(image)
    bright = image.mul(brightness_factor).clamp_(0, _largest(image))
    return bright if image.is_floating_point() else bright.to(image.dtype)


@of_pictures
def adjust_contrast(image: Tensor, contrast_factor: float) -> Tensor:
    """Further from the mean brightness, or nearer: 0 is grey, 1 the same picture."""
    _not_negative("contrast_factor", contrast_factor)
    light = _light(image) if _channels_of_colour(image) == 3 else image
    if not image.is_floating_point():
        light = light.to(_C.float32).floor()
    return _blend(image, light.mean((-3, -2, -1), keepdim=True), contrast_factor)


@of_pictures
def adjust_saturation(image: Tensor, saturation_factor: float) -> Tensor:
    """More colour, or less: 0 is black and white, 1 the same picture."""
    _not_negative("saturation_factor", saturation_factor)
    if _channels_of_colour(image) == 1:
        return image
    light = _light(image)
    return _blend(image, light if image.is_floating_point() else light.floor_(), saturation_factor)


def _to_hsv(image: Tensor) -> Tensor:
    red, green, _ = image.unbind(-3)
    low, high = _C.aminmax(image, dim=-3)
    grey = low == high
    spread = high - low
    ones = _C.ones_like(high)
    saturation = spread / _C.where(grey, ones, high)
    r, g, b = ((high.unsqueeze(-3) - image) / _C.where(grey, ones, spread).unsqueeze(-3)).unbind(-3)
    most_red = high == red
    most_green = (high == green) & ~most_red
    hue = _C.where(most_red, b - g, _C.where(most_green, r + 2.0 - b, 4.0 + g - r))
    return _C.stack((hue.mul(1.0 / 6.0).add(1.0).fmod(1.0), saturation, high), -3)


def _from_hsv(image: Tensor) -> Tensor:
    hue, saturation, value = image.unbind(-3)
    h6 = hue.mul(6)
    sector = h6.floor()
    part = h6 - sector
    sector = sector.to(_C.int32) % 6
    dull = saturation * value
    p = (value - dull).clamp(0, 1)
    q = (value - dull * part).clamp(0, 1)
    t = (value - dull * (1 - part)).clamp(0, 1)
    at = sector.unsqueeze(-3) == _C.arange(6).view(-1, 1, 1)
    columns = ((value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q))
    planes = _C.stack([_C.stack(column, -3) for column in columns], -4)
    return (planes * at.unsqueeze(-4).to(planes.dtype)).sum(-3)


@of_pictures
def adjust_hue(image: Tensor, hue_factor: float) -> Tensor:
    """Colours turned by a share of the circle, from -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if _channels_of_colour(image) == 1 or image.numel() == 0:
        return image
    hue, saturation, value = _to_hsv(convert_dtype(image, _C.float32)).unbind(-3)
    turned = _C.stack((hue.add(hue_factor).remainder(1.0), saturation, value), -3)
    return convert_dtype(_from_hsv(turned), image.dtype)


@of_pictures
def adjust_gamma(image: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """``gain * value ** gamma``, of values from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    values = image if image.is_floating_point() else convert_dtype(image, _C.float32)
    values = values.pow(gamma)
    if gain != 1.0:
        # From 0 to 1 already but for the gain.
        values = values.mul_(gain).clamp_(0.0, 1.0)
    return convert_dtype(values, image.dtype)


@of_pictures
def adjust_sharpness(image: Tensor, sharpness_factor: float) -> Tensor:
    """Sharper, or smoother: 0 is blurred, 1 the same picture, 2 twice as sharp."""
    if image.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor can have 1 or 3 channels, but found {image.shape[-3]}")
    _not_negative("sharpness_factor", sharpness_factor)
    height, width = image.shape[-2:]
    if image.numel() == 0 or height <= 2 or width <= 2:
        return image
    whole = not image.is_floating_point()
    batch = image.reshape(-1, *image.shape[-3:])
    output = batch.to(_C.float32) if whole else batch.clone()
    weights = _C.full((3, 3), 1 / 13, dtype=output.dtype)
    weights[1, 1] = 5 / 13
    channels = image.shape[-3]
    smooth = F.conv2d(output, weights.expand(channels, 1, 3, 3), groups=channels)
    if whole:
        smooth = smooth.round_()
    inner = output[..., 1:-1, 1:-1]
    inner.add_(smooth.sub_(inner), alpha=1.0 - sharpness_factor)
    return output.clamp_(0, _largest(image)).to(image.dtype).reshape(image.shape)


@of_pictures
def invert(image: Tensor) -> Tensor:
    """Bright becomes dark."""
    if image.is_floating_point():
        return 1.0 - image
    return ~image if image.dtype == _C.uint8 else (2 ** BITS[image.dtype] - 1) - image


@of_pictures
def posterize(image: Tensor, bits: int) -> Tensor:
    """As few values as ``bits`` bits have. TypeError unless it is from 0 to 8."""
    if not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    if image.is_floating_point():
        levels = 1 << bits
        return image.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels)
    kept = BITS[image.dtype]
    return image if bits >= kept else image & (((1 << bits) - 1) << (kept - bits))


@of_pictures
def solarize(image: Tensor, threshold: float) -> Tensor:
    """What is as bright as ``threshold`` is inverted. TypeError for one beyond the largest value."""
    if threshold > _largest(image):
        raise TypeError(
            f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}"
        )
    return _C.where(image >= threshold, invert(image), image)


@of_pictures
def autocontrast(image: Tensor) -> Tensor:
    """Each channel from the least to the largest value."""
    _channels_of_colour(image)
    if image.numel() == 0:
        return image
    largest = _largest(image)
    values = image if image.is_floating_point() else image.to(_C.float32)
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = low == high
    scale = _C.where(flat, 1.0, (high - low).mul_(1.0 / largest))
    stretched = (values - _C.where(flat, 0.0, low)).div_(scale).clamp_(0, largest)
    return stretched.to(image.dtype)


@of_pictures
def equalize(image: Tensor) -> Tensor:
    """All values of a channel about as often."""
    if image.numel() == 0:
        return image
    if image.dtype != _C.uint8:
        return convert_dtype(equalize(convert_dtype(image, _C.uint8)), image.dtype)
    planes = image.reshape(-1, image.shape[-2] * image.shape[-1]).to(_C.int64)
    counts = _C.zeros(len(planes), 256, dtype=_C.int64).scatter_add(1, planes, _C.ones_like(planes))
    total = counts.cumsum(1)
    # Pixels but for those of the brightest value there is, shared by the steps.
    brightest = (counts > 0).to(_C.int64).mul(_C.arange(256)).argmax(1, keepdim=True)
    step = (planes.shape[1] - counts.gather(1, brightest)).div(255, rounding_mode="floor")
    before = F.pad(total, [1, 0])[:, :-1]
    table = (before + step.div(2, rounding_mode="floor")).div(step.clamp(min=1), rounding_mode="floor")
    table = _C.where(step == 0, _C.arange(256), table.clamp(0, 255))
    return table.gather(1, planes).to(_C.uint8).reshape(image.shape)


def _kernel(size: int, sigma: float, like: Tensor) -> Tensor:
    edge = (size - 1) / (2.0 * math.sqrt(2.0))
    places = _C.linspace(-edge, edge, size, dtype=like.dtype).div(sigma)
    return places.pow(2).neg().softmax(0)


def _two(value: Any, kind: Any = int) -> list[Any]:
    return [value, value] if isinstance(value, kind) else list(value) * (3 - len(value))


@of_pictures
def gaussian_blur(
    image: Tensor, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Tensor:
    """Blurred by a normal distribution. ``kernel_size`` is odd, one number or (x, y); ``sigma`` as well.

    ValueError for sizes that are even or not positive, and for a sigma that is not positive.
    """
    sizes = _two(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    for size in sizes:
        if size % 2 == 0 or size < 0:
            raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    sigmas = [size * 0.15 + 0.35 for size in sizes] if sigma is None else _two(sigma, (int, float))
    if len(sigmas) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigmas)}")
    for s in sigmas:
        if s <= 0.0:
            raise ValueError(f"sigma should have positive values. Got {sigmas}")
    if image.numel() == 0:
        return image
    values = image if image.is_floating_point() else image.to(_C.float32)
    across, down = (_kernel(size, s, values) for size, s in zip(sizes, sigmas, strict=True))
    channels = image.shape[-3]
    weights = (down.unsqueeze(-1) * across).expand(channels, 1, sizes[1], sizes[0])
    x, y = sizes[0] // 2, sizes[1] // 2
    batch = F.pad(values.reshape(-1, *image.shape[-3:]), [x, x, y, y], mode="reflect")
    blurred = F.conv2d(batch, weights, groups=channels).reshape(image.shape)
    return blurred if image.is_floating_point() else blurred.round_().to(image.dtype)


@of_pictures
def gaussian_noise(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """Normal noise added. ``clip`` keeps floats within 0 and 1; whole numbers are kept in their range."""
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if not image.is_floating_point() and image.dtype != _C.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    if image.is_floating_point():
        noisy = image + (mean + _C.randn_like(image) * sigma)
        return noisy.clamp(0, 1) if clip else noisy
    noise = ((mean + _C.randn(image.shape) * sigma) * 255).to(_C.int16)
    noisy = image.to(_C.int16) + noise
    return (noisy.clamp(0, 255) if clip else noisy).to(_C.uint8)


@of_pictures
def permute_channels(image: Tensor, permutation: Sequence[int]) -> Tensor:
    """The channels in another order. ValueError unless there is a number for each."""
    if len(permutation) != image.shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != "
            f"{image.shape[-3]}"
        )
    return image.index_select(-3, _C.tensor(list(permutation)))


# ---- at random ----


def uniform(low: float, high: float) -> float:
    """A number drawn from [low, high)."""
    return float(_C.empty(1).uniform_(low, high).item())


class ColorJitter(PictureTransform):
    """Brightness, contrast, saturation and hue by random factors, in random order.

    Each is a number, for factors from ``1 - x`` to ``1 + x`` (for the hue: from ``-x`` to ``x``), or (least,
    most). ValueError for negative ones, and hues beyond a half.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.brightness = self._limits(brightness, "brightness")
        self.contrast = self._limits(contrast, "contrast")
        self.saturation = self._limits(saturation, "saturation")
        self.hue = self._limits(hue, "hue", center=0, bound=(-0.5, 0.5), clip=False)

    @staticmethod
    def _limits(
        value: Any,
        name: str,
        center: float = 1.0,
        bound: tuple[float, float] = (0, math.inf),
        clip: bool = True,
    ) -> tuple[float, float] | None:
        if value is None:
            return None
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"If {name} is a single number, it must be non negative.")
            value = [center - value, center + value]
            if clip:
                value[0] = max(value[0], 0.0)
        elif not isinstance(value, Sequence) or len(value) != 2:
            raise ValueError(f"{name}={value} should be a single number or a sequence with length 2.")
        if not bound[0] <= value[0] <= value[1] <= bound[1]:
            raise ValueError(f"{name} values should be between {bound}, but got {value}.")
        return None if value[0] == value[1] == center else (float(value[0]), float(value[1]))

    def _change(self, image: Tensor) -> Tensor:
        order = _C.randperm(4).tolist()
        limits = (self.brightness, self.contrast, self.saturation, self.hue)
        factors = [None if pair is None else uniform(*pair) for pair in limits]
        steps = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
        for n in order:
            factor = factors[n]
            if factor is not None:
                image = steps[n](image, factor)
        return image


class _Sometimes(PictureTransform):
    """A change that is made with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def forward(self, image: Any) -> Any:
        if _C.rand(1).item() >= self.p:
            return image
        return super().forward(image)


class RandomInvert(_Sometimes):
    """Bright becomes dark, with probability ``p``."""

    def _change(self, image: Tensor) -> Tensor:
        return invert(image)


class RandomPosterize(_Sometimes):
    """Fewer values, with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _change(self, image: Tensor) -> Tensor:
        return posterize(image, self.bits)


class RandomSolarize(_Sometimes):
    """What is bright is inverted, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _change(self, image: Tensor) -> Tensor:
        return solarize(image, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """Sharper or smoother, with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _change(self, image: Tensor) -> Tensor:
        return adjust_sharpness(image, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """Each channel from the least to the largest value, with probability ``p``."""

    def _change(self, image: Tensor) -> Tensor:
        return autocontrast(image)


class RandomEqualize(_Sometimes):
    """All values about as often, with probability ``p``."""

    def _change(self, image: Tensor) -> Tensor:
        return equalize(image)


class RandomChannelPermutation(PictureTransform):
    """The channels in random order."""

    def _change(self, image: Tensor) -> Tensor:
        return permute_channels(image, _C.randperm(image.shape[-3]).tolist())


class GaussianBlur(PictureTransform):
    """Blurred by a normal distribution with a random sigma, a number or (least, most).

    ValueError for sizes that are even or not positive, and for sigmas that are not positive.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        if not isinstance(kernel_size, int) and len(kernel_size) not in (1, 2):
            raise ValueError("Kernel size should be a tuple/list of two integers")
        self.kernel_size = tuple(_two(kernel_size))
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if not isinstance(sigma, (int, float)) and len(sigma) not in (1, 2):
            raise ValueError(f"sigma={sigma} should be a single number or a sequence with length 2.")
        self.sigma = [float(s) for s in _two(sigma, (int, float))]
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {self.sigma}")

    def _change(self, image: Tensor) -> Tensor:
        sigma = uniform(*self.sigma)
        return gaussian_blur(image, self.kernel_size, [sigma, sigma])


class GaussianNoise(PictureTransform):
    """Normal noise added; see ``gaussian_noise``."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def _change(self, image: Tensor) -> Tensor:
        return gaussian_noise(image, self.mean, self.sigma, self.clip)
