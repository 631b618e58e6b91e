// The index of the largest or smallest element along a dimension, and its value. The first of equals wins, and NaN wins
// over all numbers. A block of 256 threads has a row: `size` elements, `step` bytes apart.
namespace rn {
template <bool LARGEST, class T> __device__ __forceinline__ bool is_better(T a, long long i, T b, long long j) {
    const bool nan_a = is_nan(a), nan_b = is_nan(b);
    if (nan_a || nan_b) return nan_a && (!nan_b || i < j);
    if (a == b) return i < j;
    return LARGEST ? a > b : a < b;
}

template <bool LARGEST, bool VALUES, class T, class A>
__device__ __forceinline__ void arg_extreme(Loops<2> rows, long long* indices, A* values, const A* x, long long size, long long step) {
    __shared__ T best_of[256];
    __shared__ long long index_of[256];
    long long at[2];
    rows.find((unsigned long long)blockIdx.x, at);
    T best = T(0.0);
    long long index = -1;
    for (long long i = threadIdx.x; i < size; i += 256) {
        const T v = convert<T>(read(x, at[1] + i * step));
        if (index < 0 || is_better<LARGEST>(v, i, best, index)) best = v, index = i;
    }
    best_of[threadIdx.x] = best;
    index_of[threadIdx.x] = index;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            const long long j = index_of[threadIdx.x + half];
            const T other = best_of[threadIdx.x + half];
            if (j >= 0 && (index < 0 || is_better<LARGEST>(other, j, best, index))) {
                best = other, index = j;
                best_of[threadIdx.x] = best;
                index_of[threadIdx.x] = index;
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        indices[at[0] / (long long)sizeof(long long)] = index;
        if constexpr (VALUES) values[at[0] / (long long)sizeof(long long)] = read(x, at[1] + index * step);
    }
}
}  // namespace rn
