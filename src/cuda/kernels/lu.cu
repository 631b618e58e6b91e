// LU with partial pivoting: the leaves of the recursion in ops/cuda/linalg/lu.rs, and what is made of pivots.
namespace rn {
// Factors a panel of up to 32 columns, one block a matrix: rows and columns of the whole matrix from `first` on. A column
// is brought up to date when its turn comes, so that what stands below is written once. Pivots count from 1.
template <class T>
__device__ __forceinline__ void lu_panel(Part<T> a, int* pivots, int* info, int m, int w, int first, int all_pivots) {
    __shared__ T above[32], pivot;
    __shared__ double sizes[32];
    __shared__ int rows[32], chosen;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    a = a.of(blockIdx.x);
    for (int j = 0; j < w && j < m; j++) {
        if (warp == 0) {
            T x = lane < j ? a(lane, j) : T(0.0);
            for (int k = 0; k < j; k++) {
                const T found = of_lane(x, k);
                if (lane > k && lane < j) x = x - a(lane, k) * found;
            }
            if (lane < j) above[lane] = a(lane, j) = x;
        }
        __syncthreads();
        double best = -1;
        int row = m;   // of the largest, the first of equals
        for (int i = j + threadIdx.x; i < m; i += blockDim.x) {
            T x = a(i, j);
            for (int k = 0; k < j; k++) x = x - a(i, k) * above[k];
            a(i, j) = x;
            if (pivot_size(x) > best) { best = pivot_size(x); row = i; }
        }
        for (int distance = 16; distance > 0; distance /= 2) {
            const double other = across(best, distance);
            const int its_row = __shfl_xor_sync(0xffffffffu, row, distance);
            if (other > best || (other == best && its_row < row)) { best = other; row = its_row; }
        }
        if (lane == 0) { sizes[warp] = best; rows[warp] = row; }
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int i = 1; i < blockDim.x / 32; i++)
                if (sizes[i] > best || (sizes[i] == best && rows[i] < row)) { best = sizes[i]; row = rows[i]; }
            if (row == m) row = j;   // nothing but NaN
            chosen = row;
            pivot = a(row, j);
            pivots[(long long)blockIdx.x * all_pivots + first + j] = first + row + 1;
            if (best == 0 && info[blockIdx.x] == 0) info[blockIdx.x] = first + j + 1;
        }
        __syncthreads();
        row = chosen;
        const T divisor = pivot;
        if (threadIdx.x < w && row != j) {
            const T held = a(j, threadIdx.x);
            a(j, threadIdx.x) = a(row, threadIdx.x);
            a(row, threadIdx.x) = held;
        }
        __syncthreads();
        if (divisor != T(0.0))
            for (int i = j + 1 + threadIdx.x; i < m; i += blockDim.x) a(i, j) = a(i, j) / divisor;
        __syncthreads();
    }
}

// Exchanges the rows of the columns beside a panel as the panel did; a thread a column.
template <class T>
__device__ __forceinline__ void exchange_rows(Part<T> a, const int* pivots, int columns, int tiles, int w, int first, int all_pivots) {
    const int matrix = blockIdx.x / tiles, c = blockIdx.x % tiles * blockDim.x + threadIdx.x;
    if (c >= columns || (c >= first && c < first + w)) return;
    a = a.of(matrix);
    for (int j = first; j < first + w; j++) {
        const int row = pivots[(long long)matrix * all_pivots + j] - 1;
        if (row == j) continue;
        const T held = a(j, c);
        a(j, c) = a(row, c);
        a(row, c) = held;
    }
}

// Row j of L U is row rows[j] of A; one block a matrix, whose rows are in shared memory where they fit.
template <class Index>
__device__ __forceinline__ void permutation(const int* pivots, Index* rows, int k, int m, BadIndex* bad, int operation) {
    __shared__ int room[8192];
    pivots += (long long)blockIdx.x * k;
    rows += (long long)blockIdx.x * m;
    const bool fits = m <= 8192;
    for (int i = threadIdx.x; i < m; i += blockDim.x) {
        if (fits) room[i] = i;
        else rows[i] = i;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int j = 0; j < k && j < m; j++) {
            const int row = pivots[j] - 1;
            if (row < 0 || row >= m) {
                Indexer x = {};
                x.size = m;
                report(bad, operation, x, row);
            } else if (fits) {
                const int held = room[j];
                room[j] = room[row];
                room[row] = held;
            } else {
                const Index held = rows[j];
                rows[j] = rows[row];
                rows[row] = held;
            }
        }
    }
    __syncthreads();
    if (fits) for (int i = threadIdx.x; i < m; i += blockDim.x) rows[i] = room[i];
}
}  // namespace rn
