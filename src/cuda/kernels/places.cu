// Places in up to three dimensions (depth, rows, columns), counted by numbers below 2^31.
namespace rn {
// n / by for n < 2^31, as a product (Granlund and Montgomery, 1994).
struct Divisor {
    unsigned by, factor, shift;
    __device__ __forceinline__ int divide(int n) const { return (int)((__umulhi((unsigned)n, factor) + (unsigned)n) >> shift); }
};
struct Places { int of[3]; };
// i as ((n * sizes[0] + z) * sizes[1] + y) * sizes[2] + x: n.
__device__ __forceinline__ int split(const Divisor* sizes, int i, Places& places) {
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        const int rest = sizes[axis].divide(i);
        places.of[axis] = i - rest * (int)sizes[axis].by;
        i = rest;
    }
    return i;
}
}  // namespace rn
