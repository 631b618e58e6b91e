// An update step of many tensors in one launch. `rule` stands before this text: what a step does to one element.
namespace rn {
constexpr int TENSORS = 24, PER_BLOCK = 1024;
// The tensors of a launch: for each the parameter, its gradient and its state; the blocks of a tensor follow each other.
template <class A, int N> struct Group {
    int count;
    int first_block[TENSORS + 1];
    long long size[TENSORS];
    A* slots[TENSORS][N];
};
template <class T> struct Settings { T of[10]; };

template <int N, class T, class A> __device__ __forceinline__ void update(const Group<A, N>& group, const Settings<T>& settings) {
    int tensor = 0;
    while (tensor + 1 < group.count && (int)blockIdx.x >= group.first_block[tensor + 1]) tensor++;
    const long long start = (long long)(blockIdx.x - group.first_block[tensor]) * PER_BLOCK;
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
