// Softmax and its logarithm along a dimension, and their gradients. A row is what lies along the dimension: `size`
// elements, `inner` apart. GROUP threads (a warp or a block) share a row.
namespace rn {
// A value of every thread of the group, combined and known to all of them.
template <int OP, int GROUP, class T> __device__ __forceinline__ T shared_by_group(T x) {
    x = combine_group<OP, GROUP>(x);
    if constexpr (GROUP == 32) return __shfl_sync(0xffffffffu, x, 0);
    else {
        __shared__ T whole;
        __syncthreads();
        if (threadIdx.x == 0) whole = x;
        __syncthreads();
        return whole;
    }
}

template <int GROUP, bool LOG, class T, class A>
__device__ __forceinline__ void softmax(A* y, const A* x, long long rows, long long size, long long inner) {
    const long long row = (long long)blockIdx.x * (256 / GROUP) + threadIdx.x / GROUP;
    if (row >= rows) return;
    const long long start = row / inner * size * inner + row % inner;
    const int lane = threadIdx.x % GROUP;
    T top = lowest<T>();
    for (long long i = lane; i < size; i += GROUP) top = maximum(top, convert<T>(x[start + i * inner]));
    top = shared_by_group<MAX, GROUP>(top);
    T sum = T(0.0);
    for (long long i = lane; i < size; i += GROUP) sum += exp(convert<T>(x[start + i * inner]) - top);
    sum = shared_by_group<SUM, GROUP>(sum);
    const T scale = LOG ? log(sum) : T(1.0) / sum;
    for (long long i = lane; i < size; i += GROUP) {
        const T d = convert<T>(x[start + i * inner]) - top;
        y[start + i * inner] = convert<A>(LOG ? d - scale : exp(d) * scale);
    }
}

// y: the result of the forward; g: its gradient.
template <int GROUP, bool LOG, class T, class A>
__device__ __forceinline__ void softmax_gradient(A* out, const A* y, const A* g, long long rows, long long size, long long inner) {
    const long long row = (long long)blockIdx.x * (256 / GROUP) + threadIdx.x / GROUP;
    if (row >= rows) return;
    const long long start = row / inner * size * inner + row % inner;
    const int lane = threadIdx.x % GROUP;
    T sum = T(0.0);
    for (long long i = lane; i < size; i += GROUP) {
        const T d = convert<T>(g[start + i * inner]);
        sum += LOG ? d : d * convert<T>(y[start + i * inner]);
    }
    sum = shared_by_group<SUM, GROUP>(sum);
    for (long long i = lane; i < size; i += GROUP) {
        const long long at = start + i * inner;
        const T d = convert<T>(g[at]), v = convert<T>(y[at]);
        out[at] = convert<A>(LOG ? d - exp(v) * sum : v * (d - sum));
    }
}
}  // namespace rn
