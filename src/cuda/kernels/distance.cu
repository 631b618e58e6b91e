// Distances of all rows of one matrix to all rows of another, for a batch of both: the twin of cpu::distance. A block of
// 256 threads has 16 x 16 of them; the rows go through shared memory, 16 columns at a time.
namespace rn {
enum Norm { NORM_ZERO, NORM_ONE, NORM_TWO, NORM_INFINITY, NORM_P };

template <int NORM, class T> __device__ __forceinline__ T with_difference(T sum, T d, T p) {
    if constexpr (NORM == NORM_ZERO) return sum + (d == T(0) ? T(0) : T(1));
    else if constexpr (NORM == NORM_ONE) return sum + abs(d);
    else if constexpr (NORM == NORM_TWO) return sum + d * d;
    else if constexpr (NORM == NORM_INFINITY) return maximum(abs(d), sum);
    else return sum + library_pow(abs(d), p);
}

template <int NORM, class T>
__device__ __forceinline__ void distances(const T* a, const T* b, T* out, long long n, long long m, long long k, double power) {
    __shared__ T left[16][17], right[16][17];
    const long long across = (m + 15) / 16, down = (n + 15) / 16, tile = blockIdx.x;
    const long long batch = tile / (across * down), row0 = tile / across % down * 16, column0 = tile % across * 16;
    const int r = threadIdx.x / 16, c = threadIdx.x % 16;
    a += batch * n * k;
    b += batch * m * k;
    const T p = (T)power;
    T sum = T(0);
    for (long long at = 0; at < k; at += 16) {
        left[r][c] = row0 + r < n && at + c < k ? a[(row0 + r) * k + at + c] : T(0);
        right[r][c] = column0 + r < m && at + c < k ? b[(column0 + r) * k + at + c] : T(0);
        __syncthreads();
        // Columns beyond the last are zeros in both: they differ by nothing.
#pragma unroll
        for (int i = 0; i < 16; i++) sum = with_difference<NORM>(sum, left[r][i] - right[c][i], p);
        __syncthreads();
    }
    if constexpr (NORM == NORM_TWO) sum = sqrt(sum);
    if constexpr (NORM == NORM_P) sum = library_pow(sum, T(1) / p);
    if (row0 + r < n && column0 + c < m) out[(batch * n + row0 + r) * m + column0 + c] = sum;
}
}  // namespace rn
