"""Convolutions as functions: ``weight`` (O, C / groups, ...), for transposed ones (C, O / groups, ...)."""

from __future__ import annotations

from rustnn import _C

conv1d = _C.conv1d
conv2d = _C.conv2d
conv3d = _C.conv3d
conv_transpose1d = _C.conv_transpose1d
conv_transpose2d = _C.conv_transpose2d
conv_transpose3d = _C.conv_transpose3d
conv_tbc = _C.conv_tbc
