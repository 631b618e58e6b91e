// What GradScaler does on a GPU without the host looking: gradients are unscaled, infinities found, the scale updated.
// Comes behind tensor_group.cu.
namespace rn {
// Gradients times `inverse`; `found` becomes 1 if one of them was not finite.
template <class T, class A> __device__ __forceinline__ void unscale(const Group<A, 1>& group, const float* inverse, float* found) {
    long long start;
    const int tensor = group.tensor(start);
    const T factor = (T)*inverse;
#pragma unroll
    for (int k = 0; k < PER_BLOCK / 256; k++) {
        const long long i = start + k * 256 + threadIdx.x;
        if (i >= group.size[tensor]) return;
        const T x = convert<T>(group.slots[tensor][0][i]);
        if (!is_finite(x)) *found = 1;   // whoever writes, writes this
        group.slots[tensor][0][i] = convert<A>(x * factor);
    }
}

// The scale for the next iteration, and how many there were without infinities since it last changed.
template <int> __device__ __forceinline__ void update_scale(float* scale, int* tracker, const float* found, double growth, double backoff, int interval) {
    if (threadIdx.x != 0) return;
    if (*found != 0) {
        *scale = (float)(*scale * backoff);
        *tracker = 0;
    } else if (*tracker + 1 == interval) {
        const float grown = (float)(*scale * growth);
        if (is_finite(grown)) *scale = grown;
        *tracker = 0;
    } else *tracker += 1;
}
}  // namespace rn
