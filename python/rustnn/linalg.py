"""Linear algebra: ``rustnn.linalg``, with PyTorch's names.

Matrices are the last two dimensions, everything before them is a batch. float32, float64, complex64 and
complex128; RuntimeError for others. ``LinAlgError``, a RuntimeError, names the matrix of a batch that is
singular, not positive-definite, or whose decomposition does not converge.
"""

from __future__ import annotations

from rustnn import _C

LinAlgError = _C._LinAlgError

cholesky = _C._linalg_cholesky
cholesky_ex = _C._linalg_cholesky_ex
cond = _C._linalg_cond
cross = _C._linalg_cross
det = _C._linalg_det
diagonal = _C._linalg_diagonal
eig = _C._linalg_eig
eigh = _C._linalg_eigh
eigvals = _C._linalg_eigvals
eigvalsh = _C._linalg_eigvalsh
householder_product = _C._linalg_householder_product
inv = _C._linalg_inv
inv_ex = _C._linalg_inv_ex
ldl_factor = _C._linalg_ldl_factor
ldl_factor_ex = _C._linalg_ldl_factor_ex
ldl_solve = _C._linalg_ldl_solve
lstsq = _C._linalg_lstsq
lu = _C._linalg_lu
lu_factor = _C._linalg_lu_factor
lu_factor_ex = _C._linalg_lu_factor_ex
lu_solve = _C._linalg_lu_solve
matmul = _C.matmul
matrix_exp = _C._linalg_matrix_exp
matrix_norm = _C._linalg_matrix_norm
matrix_power = _C._linalg_matrix_power
matrix_rank = _C._linalg_matrix_rank
multi_dot = _C._linalg_multi_dot
norm = _C._linalg_norm
pinv = _C._linalg_pinv
qr = _C._linalg_qr
slogdet = _C._linalg_slogdet
solve = _C._linalg_solve
solve_ex = _C._linalg_solve_ex
solve_triangular = _C._linalg_solve_triangular
svd = _C._linalg_svd
svdvals = _C._linalg_svdvals
tensorinv = _C._linalg_tensorinv
tensorsolve = _C._linalg_tensorsolve
vander = _C._linalg_vander
vecdot = _C._linalg_vecdot
vector_norm = _C._linalg_vector_norm
