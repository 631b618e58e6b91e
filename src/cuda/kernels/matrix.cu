// What kernels of linear algebra share: parts of matrices, the parts of numbers, and sums over warps and blocks. Blocks
// have whole warps. Numbers are double or Complex<double>.
namespace rn {
// A part of each matrix of a batch, with any strides.
template <class T> struct Part {
    T* start;
    long long batch, row, column;
    __device__ __forceinline__ Part of(long long matrix) const { return {start + matrix * batch, batch, row, column}; }
    __device__ __forceinline__ T& operator()(int i, int j) const { return start[i * row + j * column]; }
};

__device__ __forceinline__ double real_part(double x) { return x; }
__device__ __forceinline__ double imaginary_part(double) { return 0; }
RN_C R real_part(Complex<R> x) { return x.re; }
RN_C R imaginary_part(Complex<R> x) { return x.im; }
// Larger when the number is, and cheap: what pivots are chosen by.
template <class T> __device__ __forceinline__ double pivot_size(T x) { return abs(real_part(x)) + abs(imaginary_part(x)); }
template <class T> __device__ __forceinline__ double square_modulus(T x) { return real_part(x) * real_part(x) + imaginary_part(x) * imaginary_part(x); }
template <class T> __device__ __forceinline__ T from_parts(double re, double im) {
    if constexpr (IsComplex<T>::value) return T(re, im);
    else return re;
}
__device__ __forceinline__ double scaled(double x, double by) { return x * by; }
RN_C Complex<R> scaled(Complex<R> x, double by) { return {x.re * by, x.im * by}; }

// ---- over the lanes of a warp ----
__device__ __forceinline__ int of_lane(int x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }
__device__ __forceinline__ double of_lane(double x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }
RN_C Complex<R> of_lane(Complex<R> x, int lane) { return {of_lane(x.re, lane), of_lane(x.im, lane)}; }
__device__ __forceinline__ double across(double x, int distance) { return __shfl_xor_sync(0xffffffffu, x, distance); }
RN_C Complex<R> across(Complex<R> x, int distance) { return {across(x.re, distance), across(x.im, distance)}; }

// Every lane has the sum.
template <class T> __device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x = x + across(x, distance);
    return x;
}

// Every thread of the block has the sum; for real numbers also the largest.
template <bool LARGEST = false, class T> __device__ __forceinline__ T block_sum(T x) {
    __shared__ T warps[32];
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        const T other = across(x, distance);
        if constexpr (LARGEST) x = other > x ? other : x;
        else x = x + other;
    }
    if (blockDim.x == 32) return x;
    __syncthreads();   // the last use of the room is over
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    x = warps[0];
    for (int i = 1; i < blockDim.x / 32; i++) {
        if constexpr (LARGEST) x = warps[i] > x ? warps[i] : x;
        else x = x + warps[i];
    }
    return x;
}
}  // namespace rn
