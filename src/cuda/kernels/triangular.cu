// T X = B for triangles of up to 32 rows: the leaves of the recursion in ops/cuda/linalg.rs. A block has 32 columns of B
// in shared memory; a warp solves one column at a time, a lane for each row.
namespace rn {
template <class T>
__device__ __forceinline__ void solve_block(Part<T> t, Part<T> x, int n, int columns, int tiles, int upper, int unit, int conjugate) {
    __shared__ T factor[32][33], side[32][33];
    const int matrix = blockIdx.x / tiles, first = blockIdx.x % tiles * 32, lane = threadIdx.x % 32;
    t = t.of(matrix);
    x = x.of(matrix);
    for (int e = threadIdx.x; e < 1024; e += blockDim.x) {
        // Neighbouring threads read neighbours, whichever way a matrix lies.
        const int i = t.row == 1 ? e % 32 : e / 32, j = t.row == 1 ? e / 32 : e % 32;
        const bool counts = i < n && j < n && (i == j || i < j == (upper != 0));
        const T value = counts ? t(i, j) : T(0.0);
        factor[i][j] = conjugate ? conj(value) : value;
        const int k = x.row == 1 ? e % 32 : e / 32, c = x.row == 1 ? e / 32 : e % 32;
        if (k < n && first + c < columns) side[k][c] = x(k, first + c);
        else side[k][c] = T(0.0);
    }
    __syncthreads();
    for (int c = threadIdx.x / 32; c < 32 && first + c < columns; c += blockDim.x / 32) {
        T value = side[lane][c];
        for (int step = 0; step < n; step++) {
            const int k = upper ? n - 1 - step : step;
            T found = of_lane(value, k);
            if (!unit) found = found / factor[k][k];
            if (lane == k) value = found;
            else if (lane > k != (upper != 0)) value = value - factor[lane][k] * found;
        }
        side[lane][c] = value;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < 1024; e += blockDim.x) {
        const int k = x.row == 1 ? e % 32 : e / 32, c = x.row == 1 ? e / 32 : e % 32;
        if (k < n && first + c < columns) x(k, first + c) = side[k][c];
    }
}
}  // namespace rn
