"""Augmentation by policies: which changes, how strongly and how likely, was found by search or is drawn."""

from __future__ import annotations

import math
from enum import Enum

from rustnn import _C
from rustnn._C import Tensor
from rustnn.datasets import colours, warps
from rustnn.datasets.pictures import InterpolationMode, PictureTransform, picture_size
from rustnn.distributions.gamma_draws import sample_dirichlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    # What gives the strengths of a change for a number of bins and a size, and whether they may be negative.
    Space = dict[str, tuple[Callable[[int, int, int], Tensor | None], bool]]

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


class AutoAugmentPolicy(Enum):
    """The data sets that policies were searched for."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _line(low: float, high: float) -> Callable[[int, int, int], Tensor]:
    return lambda bins, height, width: _C.linspace(low, high, bins)


def _of_side(share: float, across: bool) -> Callable[[int, int, int], Tensor]:
    return lambda bins, height, width: _C.linspace(0.0, share * (width if across else height), bins)


def _bits(most: int, least: int) -> Callable[[int, int, int], Tensor]:
    """From ``most`` bits down to ``least``."""
    steps = most - least

    def of(bins: int, height: int, width: int) -> Tensor:
        return (most - _C.arange(bins) / ((bins - 1) / steps)).round().to(_C.int64)

    return of


def _none(bins: int, height: int, width: int) -> None:
    return None


def _space(shift: Any, most: float, shear: float, turn: float, bits: tuple[int, int]) -> Space:
    """The changes there are; shifts in pixels, the others by their largest strengths."""
    return {
        "Identity": (_none, False),
        "ShearX": (_line(0.0, shear), True),
        "ShearY": (_line(0.0, shear), True),
        "TranslateX": (shift(True), True),
        "TranslateY": (shift(False), True),
        "Rotate": (_line(0.0, turn), True),
        "Brightness": (_line(0.0, most), True),
        "Color": (_line(0.0, most), True),
        "Contrast": (_line(0.0, most), True),
        "Sharpness": (_line(0.0, most), True),
        "Posterize": (_bits(*bits), False),
        "Solarize": (_line(1.0, 0.0), False),
        "AutoContrast": (_none, False),
        "Equalize": (_none, False),
    }


def _changed(image: Tensor, name: str, strength: float, interpolation: Any, fill: Any) -> Tensor:
    """The picture after one change."""
    if name == "Identity":
        return image
    if name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(strength))
        sheared = [angle, 0.0] if name == "ShearX" else [0.0, angle]
        return warps.affine(image, 0.0, [0, 0], 1.0, sheared, interpolation, fill, [0, 0])
    if name in ("TranslateX", "TranslateY"):
        moved = [int(strength), 0] if name == "TranslateX" else [0, int(strength)]
        return warps.affine(image, 0.0, moved, 1.0, [0.0, 0.0], interpolation, fill)
    if name == "Rotate":
        return warps.rotate(image, strength, interpolation, fill=fill)
    if name == "Brightness":
        return colours.adjust_brightness(image, 1.0 + strength)
    if name == "Color":
        return colours.adjust_saturation(image, 1.0 + strength)
    if name == "Contrast":
        return colours.adjust_contrast(image, 1.0 + strength)
    if name == "Sharpness":
        return colours.adjust_sharpness(image, 1.0 + strength)
    if name == "Posterize":
        return colours.posterize(image, int(strength))
    if name == "Solarize":
        largest = 1.0 if image.is_floating_point() else 255.0
        return colours.solarize(image, strength * largest)
    if name == "AutoContrast":
        return colours.autocontrast(image)
    if name == "Equalize":
        return colours.equalize(image)
    return colours.invert(image)


class _Policy(PictureTransform):
    """What all of them take."""

    _space: ClassVar[Space]

    def __init__(self, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _drawn(self, space: Space) -> tuple[str, Any, bool]:
        names = list(space)
        name = names[int(_C.randint(len(names), ()).item())]
        return name, *space[name]

    def _apply_one(self, image: Tensor, name: str, strength: float) -> Tensor:
        return _changed(image, name, strength, self.interpolation, self.fill)


# Pairs of changes: each with its probability and the bin of its strength.
_IMAGENET = """
Posterize .4 8 Rotate .6 9 | Solarize .6 5 AutoContrast .6 - | Equalize .8 - Equalize .6 -
Posterize .6 7 Posterize .6 6 | Equalize .4 - Solarize .2 4 | Equalize .4 - Rotate .8 8
Solarize .6 3 Equalize .6 - | Posterize .8 5 Equalize 1 - | Rotate .2 3 Solarize .6 8
Equalize .6 - Posterize .4 6 | Rotate .8 8 Color .4 0 | Rotate .4 9 Equalize .6 -
Equalize 0 - Equalize .8 - | Invert .6 - Equalize 1 - | Color .6 4 Contrast 1 8
Rotate .8 8 Color 1 2 | Color .8 8 Solarize .8 7 | Sharpness .4 7 Invert .6 -
ShearX .6 5 Equalize 1 - | Color .4 0 Equalize .6 - | Equalize .4 - Solarize .2 4
Solarize .6 5 AutoContrast .6 - | Invert .6 - Equalize 1 - | Color .6 4 Contrast 1 8
Equalize .8 - Equalize .6 -
"""
_CIFAR10 = """
Invert .1 - Contrast .2 6 | Rotate .7 2 TranslateX .3 9 | Sharpness .8 1 Sharpness .9 3
ShearY .5 8 TranslateY .7 9 | AutoContrast .5 - Equalize .9 - | ShearY .2 7 Posterize .3 7
Color .4 3 Brightness .6 7 | Sharpness .3 9 Brightness .7 9 | Equalize .6 - Equalize .5 -
Contrast .6 7 Sharpness .6 5 | Color .7 7 TranslateX .5 8 | Equalize .3 - AutoContrast .4 -
TranslateY .4 3 Sharpness .2 6 | Brightness .9 6 Color .2 8 | Solarize .5 2 Invert 0 -
Equalize .2 - AutoContrast .6 - | Equalize .2 - Equalize .6 - | Color .9 9 Equalize .6 -
AutoContrast .8 - Solarize .2 8 | Brightness .1 3 Color .7 0 | Solarize .4 5 AutoContrast .9 -
TranslateY .9 9 TranslateY .7 9 | AutoContrast .9 - Solarize .8 3 | Equalize .8 - Invert .1 -
TranslateY .7 9 AutoContrast .9 -
"""
_SVHN = """
ShearX .9 4 Invert .2 - | ShearY .9 8 Invert .7 - | Equalize .6 - Solarize .6 6
Invert .9 - Equalize .6 - | Equalize .6 - Rotate .9 3 | ShearX .9 4 AutoContrast .8 -
ShearY .9 8 Invert .4 - | ShearY .9 5 Solarize .2 6 | Invert .9 - AutoContrast .8 -
Equalize .6 - Rotate .9 3 | ShearX .9 4 Solarize .3 3 | ShearY .8 8 Invert .7 -
Equalize .9 - TranslateY .6 6 | Invert .9 - Equalize .6 - | Contrast .3 3 Rotate .8 4
Invert .8 - TranslateY 0 2 | ShearY .7 6 Solarize .4 8 | Invert .6 - Rotate .8 4
ShearY .3 7 TranslateX .9 3 | ShearX .1 6 Invert .6 - | Solarize .7 2 TranslateY .6 7
ShearY .8 4 Invert .8 - | ShearX .7 9 TranslateY .8 3 | ShearY .8 5 AutoContrast .7 -
ShearX .7 2 Invert .1 -
"""


def _read(text: str) -> list[list[tuple[str, float, int | None]]]:
    policies = []
    for pair in text.replace("\n", " | ").split("|"):
        words = pair.split()
        steps = [(words[i], float(words[i + 1]), words[i + 2]) for i in range(0, len(words), 3)]
        if steps:
            policies.append([(name, p, None if bin == "-" else int(bin)) for name, p, bin in steps])
    return policies


class AutoAugment(_Policy):
    """A pair of changes, drawn from the policies that were found for a data set (Cubuk et al., 2019)."""

    _space: ClassVar[Space] = {
        **_space(lambda across: _of_side(150.0 / 331.0, across), 0.9, 0.3, 30.0, (8, 4)),
        "Invert": (_none, False),
    }

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        texts = {"imagenet": _IMAGENET, "cifar10": _CIFAR10, "svhn": _SVHN}
        name = str(getattr(policy, "value", policy))
        if name not in texts:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self._policies = _read(texts[name])

    def _change(self, image: Tensor) -> Tensor:
        height, width = picture_size(image)
        for name, probability, bin in self._policies[int(_C.randint(len(self._policies), ()).item())]:
            if not _C.rand(()).item() <= probability:
                continue
            strengths, signed = self._space[name]
            line = strengths(10, height, width)
            strength = 0.0
            if line is not None:
                assert bin is not None
                strength = float(line[bin])
                if signed and _C.rand(()).item() <= 0.5:
                    strength *= -1.0
            image = self._apply_one(image, name, strength)
        return image


class RandAugment(_Policy):
    """``num_ops`` changes drawn from all, of one strength (Cubuk et al., 2020)."""

    _space: ClassVar[Space] = _space(lambda across: _of_side(150.0 / 331.0, across), 0.9, 0.3, 30.0, (8, 4))

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _change(self, image: Tensor) -> Tensor:
        height, width = picture_size(image)
        for _ in range(self.num_ops):
            name, strengths, signed = self._drawn(self._space)
            line = strengths(self.num_magnitude_bins, height, width)
            strength = 0.0
            if line is not None:
                strength = float(line[self.magnitude])
                if signed and _C.rand(()).item() <= 0.5:
                    strength *= -1.0
            image = self._apply_one(image, name, strength)
        return image


class TrivialAugmentWide(_Policy):
    """One change drawn from all, of a strength that is drawn too (Müller and Hutter, 2021)."""

    _space: ClassVar[Space] = _space(lambda across: _line(0.0, 32.0), 0.99, 0.99, 135.0, (8, 2))

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _change(self, image: Tensor) -> Tensor:
        name, strengths, signed = self._drawn(self._space)
        line = strengths(self.num_magnitude_bins, *picture_size(image))
        strength = 0.0
        if line is not None:
            strength = float(line[int(_C.randint(self.num_magnitude_bins, ()).item())])
            if signed and _C.rand(()).item() <= 0.5:
                strength *= -1.0
        return self._apply_one(image, name, strength)


_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")


class AugMix(_Policy):
    """A mixture of the picture and of chains of changes, with drawn weights (Hendrycks et al., 2020).

    ValueError for a ``severity`` that is not from 1 to 10.
    """

    _space: ClassVar[Space] = _space(lambda across: _of_side(1.0 / 3.0, across), 0.9, 0.3, 30.0, (4, 0))

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _change(self, image: Tensor) -> Tensor:
        shape = image.shape
        height, width = picture_size(image)
        # Those of colour come last, if at all.
        space = {name: entry for name, entry in self._space.items() if name not in ("Identity", *_COLOURS)}
        space |= {name: self._space[name] for name in _COLOURS if self.all_ops}
        batch = image.reshape(-1, *([1] * max(0, 4 - image.dim())), *shape[-3:]).reshape(-1, *shape[-3:])
        count = len(batch)
        share = sample_dirichlet(_C.tensor([self.alpha, self.alpha]).expand(count, -1))
        mixed_shares = sample_dirichlet(_C.tensor([self.alpha] * self.mixture_width).expand(count, -1))
        weights = mixed_shares * share[:, 1].reshape(count, -1)
        mixture = share[:, 0].reshape(count, 1, 1, 1) * batch
        for i in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else int(_C.randint(1, 4, (1,)).item())
            for _ in range(depth):
                name, strengths, signed = self._drawn(space)
                line = strengths(10, height, width)
                strength = 0.0
                if line is not None:
                    strength = float(line[int(_C.randint(self.severity, ()).item())])
                    if signed and _C.rand(()).item() <= 0.5:
                        strength *= -1.0
                changed = self._apply_one(changed, name, strength)
            mixture = mixture + weights[:, i].reshape(count, 1, 1, 1) * changed
        return mixture.reshape(shape).to(image.dtype)
