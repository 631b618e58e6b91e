// C = A B, or C = A B + bias: batches of matrices with any strides. A block of 256 threads computes a tile of 64 x 64,
// each thread 4 x 4 of it; tiles of A and B go through shared memory, 16 deep.
namespace rn {
template <class T, class E>
__device__ __forceinline__ void gemm(E* c, const E* a, const E* b, const E* bias, int m, int n, int k,
                                     long long a_batch, long long a_row, long long a_column,
                                     long long b_batch, long long b_row, long long b_column) {
    constexpr int TILE = 64, DEEP = 16;
    __shared__ T left[DEEP][TILE + 1];
    __shared__ T right[DEEP][TILE + 1];
    const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE, thread = threadIdx.x;
    const int my_row = thread / 16, my_column = thread % 16;
    a += blockIdx.z * a_batch;
    b += blockIdx.z * b_batch;
    c += (long long)blockIdx.z * m * n;
    T sum[4][4];
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = T(0.0);
    // Neighbouring threads read neighbouring addresses, whichever way a matrix lies.
    const bool a_by_rows = a_column == 1, b_by_rows = b_column == 1;
    for (int k0 = 0; k0 < k; k0 += DEEP) {
#pragma unroll
        for (int e = 0; e < TILE * DEEP / 256; e++) {
            const int i = thread + e * 256;
            const int r = a_by_rows ? i / DEEP : i % TILE, d = a_by_rows ? i % DEEP : i / TILE;
            left[d][r] = row0 + r < m && k0 + d < k ? convert<T>(a[(row0 + r) * a_row + (k0 + d) * a_column]) : T(0.0);
            const int q = b_by_rows ? i % TILE : i / DEEP, f = b_by_rows ? i / TILE : i % DEEP;
            right[f][q] = column0 + q < n && k0 + f < k ? convert<T>(b[(k0 + f) * b_row + (column0 + q) * b_column]) : T(0.0);
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < DEEP; d++) {
            T x[4], y[4];
#pragma unroll
            for (int i = 0; i < 4; i++) x[i] = left[d][my_row + 16 * i], y[i] = right[d][my_column + 16 * i];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = sum[i][j] + x[i] * y[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int r = row0 + my_row + 16 * i, q = column0 + my_column + 16 * j;
            if (r < m && q < n) c[(long long)r * n + q] = convert<E>(bias ? sum[i][j] + convert<T>(bias[q]) : sum[i][j]);
        }
    }
}
}  // namespace rn
