// Sums, products and extremes over some dimensions. GROUP threads share an output: 1 where neighbouring outputs lie
// side by side in memory, a warp or a block where the reduced elements do. Long reductions are cut into parts
// (blockIdx.y), which a second launch combines: the cuts depend on sizes alone, so that results repeat.
namespace rn {
enum Reduction { SUM, PROD, MAX, MIN };

template <int OP, class T> __device__ __forceinline__ T combine(T a, T b) {
    if constexpr (OP == SUM) return a + b;
    else if constexpr (OP == PROD) return a * b;
    else if constexpr (OP == MAX) return maximum(a, b);
    else return minimum(a, b);
}
template <class T> __device__ __forceinline__ T lowest() {
    if constexpr (Same<T, Int>::value) return Int((long long)(1ull << 63));
    else return T(-1.0) / T(0.0);
}
template <class T> __device__ __forceinline__ T highest() {
    if constexpr (Same<T, Int>::value) return Int((long long)(~0ull >> 1));
    else return T(1.0) / T(0.0);
}
template <int OP, class T> __device__ __forceinline__ T neutral() {
    if constexpr (OP == SUM) return T(0.0);
    else if constexpr (OP == PROD) return T(1.0);
    else if constexpr (OP == MAX) return lowest<T>();
    else return highest<T>();
}

template <class T> __device__ __forceinline__ T from_lane(T x, int distance) { return __shfl_down_sync(0xffffffffu, x, distance); }
__device__ __forceinline__ Int from_lane(Int x, int distance) { return Int(__shfl_down_sync(0xffffffffu, x.v, distance)); }
template <class R> __device__ __forceinline__ Complex<R> from_lane(Complex<R> x, int distance) {
    return {__shfl_down_sync(0xffffffffu, x.re, distance), __shfl_down_sync(0xffffffffu, x.im, distance)};
}

// The combination of a value of each thread of a group; the first thread has it.
template <int OP, int GROUP, class T> __device__ __forceinline__ T combine_group(T x) {
    if constexpr (GROUP > 1) {
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) x = combine<OP>(x, from_lane(x, distance));
    }
    if constexpr (GROUP > 32) {
        __shared__ T warps[GROUP / 32];
        __syncthreads();   // the last use of the room is over
        if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
        __syncthreads();
        if (threadIdx.x < 32) {
            x = threadIdx.x < GROUP / 32 ? warps[threadIdx.x] : neutral<OP, T>();
#pragma unroll
            for (int distance = GROUP / 64; distance > 0; distance /= 2) x = combine<OP>(x, from_lane(x, distance));
        }
    }
    return x;
}

// kept: places of output and input for each output; reduced: places of the input. A part goes to parts[part][output].
template <int OP, int GROUP, bool TO_PARTS, class T, class O, class A>
__device__ __forceinline__ void reduce(Loops<2> kept, Loops<1> reduced, O* out, T* parts, const A* x, long long outputs, long long length, long long part_length) {
    const long long output = (long long)blockIdx.x * (256 / GROUP) + threadIdx.x / GROUP;
    if (output >= outputs) return;
    long long at[2];
    kept.find((unsigned long long)output, at);
    const long long begin = blockIdx.y * part_length, end = begin + part_length < length ? begin + part_length : length;
    // Four sums at a time: more loads are on their way, and less rounding comes together.
    T sum[4] = {neutral<OP, T>(), neutral<OP, T>(), neutral<OP, T>(), neutral<OP, T>()};
    long long i = begin + threadIdx.x % GROUP;
    for (; i + 3 * GROUP < end; i += 4 * GROUP) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
            long long from[1];
            reduced.find((unsigned long long)(i + k * GROUP), from);
            sum[k] = combine<OP>(sum[k], convert<T>(read(x, at[1] + from[0])));
        }
    }
    for (; i < end; i += GROUP) {
        long long from[1];
        reduced.find((unsigned long long)i, from);
        sum[0] = combine<OP>(sum[0], convert<T>(read(x, at[1] + from[0])));
    }
    T total = combine_group<OP, GROUP>(combine<OP>(combine<OP>(sum[0], sum[1]), combine<OP>(sum[2], sum[3])));
    if (threadIdx.x % GROUP != 0) return;
    if constexpr (TO_PARTS) parts[blockIdx.y * outputs + output] = total;
    else place(out, at[0]) = convert<O>(total);
}
}  // namespace rn
