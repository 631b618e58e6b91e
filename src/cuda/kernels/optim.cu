// An update step of a group of tensors. `rule` stands before this text: what a step does to one element.
namespace rn {
template <class T> struct Settings { T of[10]; };

template <int N, class T, class A> __device__ __forceinline__ void update(const Group<A, N>& group, const Settings<T>& settings) {
    long long start;
    const int tensor = group.tensor(start);
#pragma unroll
    for (int k = 0; k < PER_BLOCK / 256; k++) {
        const long long i = start + k * 256 + threadIdx.x;
        if (i >= group.size[tensor]) return;
        T v[N];
#pragma unroll
        for (int n = 0; n < N; n++) v[n] = convert<T>(group.slots[tensor][n][i]);
        rule<N>(v, settings.of);
#pragma unroll
        for (int n = 0; n < N; n++) if (n != 1) group.slots[tensor][n][i] = convert<A>(v[n]);
    }
}
}  // namespace rn
