// Cholesky's factorisation of up to 32 rows in shared memory, one block a matrix: the leaves of the recursion in
// ops/cuda/linalg/cholesky.rs. Reads and writes the lower triangle; `info` becomes the order of the first leading minor
// that is not positive.
namespace rn {
template <class T> __device__ __forceinline__ void cholesky_block(Part<T> a, int* info, int n, int first) {
    __shared__ T l[32][33];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    if (info[blockIdx.x] != 0) return;   // an earlier block failed
    a = a.of(blockIdx.x);
    for (int j = warp; j < n; j += warps)
        if (lane >= j && lane < n) l[lane][j] = a(lane, j);
    __syncthreads();
    for (int j = 0; j < n; j++) {
        const double d = real_part(l[j][j]);
        if (!(d > 0)) {   // a NaN is not positive either
            if (threadIdx.x == 0) info[blockIdx.x] = first + j + 1;
            break;
        }
        __syncthreads();
        const double root = sqrt(d);
        if (warp == 0 && lane < n) {
            if (lane == j) l[j][j] = T(root);
            else if (lane > j) l[lane][j] = l[lane][j] / T(root);
        }
        __syncthreads();
        for (int c = j + 1 + warp; c < n; c += warps)
            if (lane >= c && lane < n) l[lane][c] = l[lane][c] - l[lane][j] * conj(l[c][j]);
        __syncthreads();
    }
    for (int j = warp; j < n; j += warps)
        if (lane >= j && lane < n) a(lane, j) = l[lane][j];
}
}  // namespace rn
