"""Pictures turned, moved, sheared and bent: what a pixel shows is looked up elsewhere in the old picture.

Places are counted in pixels from the middle of the picture, to the right and down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rustnn import _C
from rustnn._C import Tensor
from rustnn.datasets.colours import gaussian_blur, uniform
from rustnn.datasets.pictures import InterpolationMode, PictureTransform, picture_size, resample, to_picture
from rustnn.nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ElasticTransform",
    "RandomAffine",
    "RandomPerspective",
    "RandomRotation",
    "affine",
    "elastic",
    "perspective",
    "rotate",
]


def _mode(interpolation: Any, known: tuple[str, ...] = ("nearest", "bilinear")) -> str:
    mode = str(getattr(interpolation, "value", interpolation))
    if mode not in known:
        raise ValueError(f"interpolation must be {' or '.join(known)}, but got {mode!r}")
    return mode


def _look_up(image: Tensor, grid: Tensor, mode: str, fill: Any) -> Tensor:
    """What stands at the places of a grid (1, H, W, 2), from -1 to 1; ``fill`` outside of the picture."""
    colours = None
    if fill is not None:
        colours = [float(c) for c in fill] if isinstance(fill, Sequence) else [float(fill)]

    def change(batch: Tensor) -> Tensor:
        places = grid.to(batch.dtype).expand(len(batch), *grid.shape[1:])
        options: dict[str, Any] = {"mode": mode, "padding_mode": "zeros", "align_corners": False}
        if colours is None:
            return F.grid_sample(batch, places, **options)
        inside = _C.ones(len(batch), 1, *batch.shape[2:], dtype=batch.dtype)
        both = F.grid_sample(_C.cat([batch, inside], 1), places, **options)
        found, inside = both[:, :-1], both[:, -1:]
        colour = _C.tensor(colours, dtype=batch.dtype).view(1, -1, 1, 1)
        if mode == "nearest":
            return _C.where(inside < 0.5, colour, found)
        return (found - colour) * inside + colour

    return resample(image, change)


def _linear_places(matrix: Sequence[float], size: tuple[int, int], new_size: tuple[int, int]) -> Tensor:
    """The grid of a matrix (2, 3), row by row, from places of the new picture to those of the old."""
    (height, width), (new_height, new_width) = size, new_size
    columns = _C.arange(new_width).add((1.0 - new_width) * 0.5).expand(new_height, new_width)
    rows = _C.arange(new_height).add((1.0 - new_height) * 0.5).unsqueeze(-1).expand(new_height, new_width)
    places = _C.stack([columns, rows, _C.ones(new_height, new_width)], -1).view(-1, 3)
    scale = _C.tensor([0.5 * width, 0.5 * height])
    return (places @ (_C.tensor(matrix).view(2, 3).t() / scale)).view(1, new_height, new_width, 2)


def _back(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The matrix that leads from a place of the result to where it comes from: all steps, backwards."""
    turn, across, down = (math.radians(degrees) for degrees in (angle, *shear))
    cosine, sine = math.cos(turn - down) / math.cos(down), math.sin(turn - down) / math.cos(down)
    forth = [
        cosine,
        -cosine * math.tan(across) - math.sin(turn),
        sine,
        -sine * math.tan(across) + math.cos(turn),
    ]
    a, b, c, d = forth[3] / scale, -forth[1] / scale, -forth[2] / scale, forth[0] / scale
    x, y = center[0] + translate[0], center[1] + translate[1]
    return [a, b, center[0] - a * x - b * y, c, d, center[1] - c * x - d * y]


def _from_middle(center: Sequence[float] | None, size: tuple[int, int]) -> tuple[float, float]:
    if center is None:
        return 0.0, 0.0
    return center[0] - size[1] * 0.5, center[1] - size[0] * 0.5


def _checked_center(center: Sequence[float] | None) -> None:
    if center is not None and len(center) != 2:
        raise ValueError("center should be a sequence of length 2.")


def affine(
    image: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    """Turned clockwise by ``angle`` degrees, moved by (x, y) pixels, scaled, sheared by one or two angles.

    ValueError for a scale that is not positive, and for other numbers of values.
    """
    picture = to_picture(image)
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shears = [float(shear), 0.0] if isinstance(shear, (int, float)) else [float(s) for s in shear]
    if len(shears) == 1:
        shears = shears * 2
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    _checked_center(center)
    size = picture_size(picture)
    matrix = _back(_from_middle(center, size), angle, translate, scale, shears)
    return _look_up(picture, _linear_places(matrix, size, size), _mode(interpolation), fill)


def rotate(
    image: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Tensor:
    """Turned anticlockwise by ``angle`` degrees about ``center`` (x, y; its middle unless said).

    ``expand`` makes the picture large enough for all of what was turned; ``fill`` colours the corners.
    """
    picture = to_picture(image)
    angle = angle % 360
    height, width = size = picture_size(picture)
    if center is None or expand:
        if angle == 0:
            return picture.clone()
        if angle == 180:
            return picture.flip((-2, -1))
        if angle in (90, 270) and (expand or height == width):
            return picture.rot90(1 if angle == 90 else 3, (-2, -1))
    matrix = _back(_from_middle(center, size), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    new_size = _size_of_all(matrix, size) if expand else size
    return _look_up(picture, _linear_places(matrix, size, new_size), _mode(interpolation), fill)


def _size_of_all(matrix: Sequence[float], size: tuple[int, int]) -> tuple[int, int]:
    """The size that holds all four corners."""
    x, y = 0.5 * size[1], 0.5 * size[0]
    corners = _C.tensor([[-x, -y, 1.0], [-x, y, 1.0], [x, y, 1.0], [x, -y, 1.0]])
    corners = corners @ _C.tensor(matrix).view(2, 3).t()
    corners += _C.tensor([x, y])  # counted from the corner of the old picture
    # A hair beyond a whole number does not count.
    high = corners.amax(0).mul(1e4).trunc().mul(1e-4).ceil()
    low = corners.amin(0).mul(1e4).trunc().mul(1e-4).floor()
    new_width, new_height = (high - low).tolist()
    return int(new_height), int(new_width)


def perspective(
    image: Any,
    startpoints: Sequence[Sequence[int]] | None,
    endpoints: Sequence[Sequence[int]] | None,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Tensor:
    """Seen from elsewhere: the four ``startpoints`` (x, y) come to the four ``endpoints``.

    ``coefficients`` are the eight of the map instead. ValueError for both, and for other numbers of points.
    """
    picture = to_picture(image)
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError(
                "The startpoints/endpoints and the coefficients shouldn't be defined concurrently."
            )
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
    elif startpoints is None or endpoints is None:
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    else:
        coefficients = _map_of_points(startpoints, endpoints)
    height, width = picture_size(picture)
    x = _C.linspace(0.5, width - 0.5, width).expand(height, width)
    y = _C.linspace(0.5, height - 0.5, height).unsqueeze(-1).expand(height, width)
    places = _C.stack([x, y, _C.ones(height, width)], -1).view(-1, 3)
    c = list(coefficients)
    above = _C.tensor([c[0:3], c[3:6]]).t() / _C.tensor([0.5 * width, 0.5 * height])
    below = _C.tensor([[*c[6:8], 1.0]] * 2).t()
    grid = ((places @ above) / (places @ below) - 1.0).view(1, height, width, 2)
    return _look_up(picture, grid, _mode(interpolation), fill)


def _map_of_points(startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]) -> list[float]:
    """The eight coefficients of the map from endpoints back to startpoints."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            "Please provide exactly four corners, got "
            f"{len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (from_x, from_y) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -from_x * x, -from_x * y])
        rows.append([0, 0, 0, x, y, 1, -from_y * x, -from_y * y])
    from rustnn import linalg

    goal = _C.tensor([float(n) for point in startpoints for n in point], dtype=_C.float64)
    found: list[float] = (
        linalg.lstsq(_C.tensor(rows, dtype=_C.float64), goal).solution.to(_C.float32).tolist()
    )
    return found


def elastic(
    image: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Tensor:
    """Each pixel from where ``displacement`` (1, H, W, 2) leads, in halves of the picture's sides.

    TypeError for what is no tensor, ValueError for another shape.
    """
    picture = to_picture(image)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    height, width = picture_size(picture)
    if displacement.shape != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {displacement.shape}"
        )
    x = _C.linspace((1.0 - width) / width, (width - 1.0) / width, width).expand(height, width)
    y = (
        _C.linspace((1.0 - height) / height, (height - 1.0) / height, height)
        .unsqueeze(-1)
        .expand(height, width)
    )
    grid = _C.stack([x, y], -1).unsqueeze(0) + displacement
    return _look_up(picture, grid, _mode(interpolation), fill)


# ---- at random ----


def _angles(degrees: Any, name: str = "degrees", sizes: tuple[int, ...] = (2,)) -> list[float]:
    if isinstance(degrees, (int, float)):
        if degrees < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        degrees = (-degrees, degrees)
    if not isinstance(degrees, Sequence):
        raise TypeError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    if len(degrees) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    return [float(d) for d in degrees]


class RandomRotation(PictureTransform):
    """The picture turned about ``center`` (x, y; its middle unless said), anticlockwise, by a random angle.

    ``degrees`` is (least, most), or a number for (-degrees, degrees). ``expand`` makes the picture large
    enough for all of what was turned; ``fill`` colours the corners.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees)
        _checked_center(center)
        _mode(interpolation)
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        self.center = center

    def _change(self, image: Tensor) -> Tensor:
        angle = uniform(self.degrees[0], self.degrees[1])
        return rotate(image, angle, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(PictureTransform):
    """Turned, moved, scaled and sheared at random.

    ``degrees`` is (least, most), or a number for (-degrees, degrees); ``translate`` the largest shares of
    width and height; ``scale`` (least, most); ``shear`` angles as ``degrees``, or four of them, x before y.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees)
        for name, pair in (("translate", translate), ("scale", scale)):
            if pair is not None and not isinstance(pair, Sequence):
                raise TypeError(f"{name} should be a sequence of length 2.")
            if pair is not None and len(pair) != 2:
                raise ValueError(f"{name} should be a sequence of length 2.")
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and not all(s > 0 for s in scale):
            raise ValueError("scale values should be positive")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        _checked_center(center)
        _mode(interpolation)
        self.interpolation = interpolation
        self.fill = fill
        self.center = center

    def _change(self, image: Tensor) -> Tensor:
        height, width = picture_size(image)
        angle = uniform(self.degrees[0], self.degrees[1])
        moved = (0, 0)
        if self.translate is not None:
            most_x, most_y = float(self.translate[0] * width), float(self.translate[1] * height)
            x = round(uniform(-most_x, most_x))
            moved = (x, round(uniform(-most_y, most_y)))
        scale = 1.0 if self.scale is None else uniform(self.scale[0], self.scale[1])
        sheared = [0.0, 0.0]
        if self.shear is not None:
            sheared[0] = uniform(self.shear[0], self.shear[1])
            if len(self.shear) == 4:
                sheared[1] = uniform(self.shear[2], self.shear[3])
        return affine(image, angle, moved, scale, sheared, self.interpolation, self.fill, self.center)


class RandomPerspective(PictureTransform):
    """Seen from elsewhere, with probability ``p``.

    The corners move inwards by up to ``distortion_scale`` of half the sides.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: str = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        _mode(interpolation)
        self.p = p
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill

    def _change(self, image: Tensor) -> Tensor:
        if _C.rand(1).item() >= self.p:
            return image
        height, width = picture_size(image)
        x, y = int(self.distortion_scale * (width // 2)), int(self.distortion_scale * (height // 2))
        left, right = (0, x + 1), (width - x - 1, width)
        top, bottom = (0, y + 1), (height - y - 1, height)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        ends = [[int(_C.randint(*limits, (1,)).item()) for limits in corner] for corner in corners]
        starts = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return perspective(image, starts, ends, self.interpolation, self.fill)


class ElasticTransform(PictureTransform):
    """As under moving water: ``alpha`` says how far pixels move, ``sigma`` how alike neighbours do."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: str = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = self._pair(alpha, "alpha")
        self.sigma = self._pair(sigma, "sigma")
        _mode(interpolation)
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def _pair(value: Any, name: str) -> list[float]:
        if isinstance(value, (int, float)):
            return [float(value)] * 2
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
        if len(value) not in (1, 2):
            raise ValueError(f"{name} is a sequence its length should be 1 or 2. Got {len(value)}")
        return [float(v) for v in (list(value) * 2)[:2]]

    def _change(self, image: Tensor) -> Tensor:
        size = picture_size(image)
        parts = []
        for alpha, sigma, side in zip(self.alpha, self.sigma, reversed(size), strict=True):
            shift = _C.rand([1, 1, *size]) * 2 - 1
            if sigma > 0.0:
                kernel = int(8 * sigma + 1)
                kernel += kernel % 2 == 0
                shift = gaussian_blur(shift, [kernel, kernel], self.sigma)
            parts.append(shift * alpha / side)
        displacement = _C.cat(parts, 1).permute(0, 2, 3, 1)
        return elastic(image, displacement, self.interpolation, self.fill)
