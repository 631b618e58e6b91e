"""Linear algebra: ``rustnn.linalg``, with PyTorch's names."""

from __future__ import annotations

from rustnn import _C

cross = _C._linalg_cross
matmul = _C.matmul
multi_dot = _C._linalg_multi_dot
vecdot = _C._linalg_vecdot
vector_norm = _C._linalg_vector_norm
