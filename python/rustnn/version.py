"""The version of PyTorch whose interface this is, as text that compares as a version.

Scripts ask ``torch.__version__`` for what they may use; rustnn's own version is ``rustnn.version.rustnn``.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["TorchVersion", "cuda", "debug", "git_version", "hip", "rustnn", "xpu"]


def _key(version: Any) -> tuple[tuple[int, ...], int]:
    """What versions are ordered by: the numbers of the release, and that a pre-release comes before it."""
    if not isinstance(version, str):
        return tuple(int(part) for part in version), 0
    release = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    if release is None:
        raise ValueError(f"not a version: {version!r}")
    rest = version.strip()[release.end() :].partition("+")[0]
    numbers = [int(part) for part in release[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), -1 if re.match(r"[._-]?(a|b|rc|dev)", rest) else 0


class TorchVersion(str):
    """Text that compares with other versions, as text or tuple, by its numbers: "2.13" is above "2.9".

    Where the other is no version the texts are compared.
    """

    def _compare(self, other: Any) -> int:
        if isinstance(other, tuple | list):
            own = _key(str(self))[0][: len(other)]
            theirs = tuple(int(part) for part in other)
            padded = own + (0,) * (len(theirs) - len(own))
            return (padded > theirs) - (padded < theirs)
        own_key, other_key = _key(str(self)), _key(other)
        return (own_key > other_key) - (own_key < other_key)

    def __lt__(self, other: Any) -> bool:
        try:
            return self._compare(other) < 0
        except ValueError:
            return str.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        try:
            return self._compare(other) <= 0
        except ValueError:
            return str.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        try:
            return self._compare(other) > 0
        except ValueError:
            return str.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        try:
            return self._compare(other) >= 0
        except ValueError:
            return str.__ge__(self, other)

    def __eq__(self, other: Any) -> bool:
        try:
            return self._compare(other) == 0
        except (TypeError, ValueError):
            return str.__eq__(self, other)

    def __ne__(self, other: Any) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)


__version__ = TorchVersion("2.13.0+rustnn")
rustnn = "0.1.0"
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = "unknown"
