// An update step of a group of tensors. `rule` stands before this text: what a step does to one element.
namespace rn {
template <class T> struct Settings { T of[10]; };

// The settings of a tensor are `stride` sets behind those of the one before: 0 where all have the same.
template <int N, class T, class A> __device__ __forceinline__ void update(const Group<A, N>& group, const Settings<T>* settings, int stride) {
    long long start;
    const int tensor = group.tensor(start);
    settings += tensor * stride;
#pragma unroll
    for (int k = 0; k < PER_BLOCK / 256; k++) {
        const long long i = start + k * 256 + threadIdx.x;
        if (i >= group.size[tensor]) return;
        T v[N];
#pragma unroll
        for (int n = 0; n < N; n++) v[n] = convert<T>(group.slots[tensor][n][i]);
        rule<N>(v, settings->of);
#pragma unroll
        for (int n = 0; n < N; n++) if (n != 1) group.slots[tensor][n][i] = convert<A>(v[n]);
    }
}

// The counts of a group of tensors, in memory: a thread has those of a tensor.
template <class K, int COUNTS> struct Counts {
    long long count;
    K* of[TENSORS][COUNTS];
};
struct Numbers { double of[5]; };

// Counts on, and makes settings of the counts. A rate in memory takes the place of the first number.
template <class T, class K, int COUNTS, class Counted>
__device__ __forceinline__ void advance(const Counts<K, COUNTS>& counts, const Settings<T>& base, Numbers numbers, const float* single_rate, const double* double_rate, Settings<T>* out, Counted counted) {
    const int tensor = threadIdx.x;
    if (tensor >= counts.count) return;
    if (single_rate) numbers.of[0] = *single_rate;
    if (double_rate) numbers.of[0] = *double_rate;
    K c[COUNTS];
#pragma unroll
    for (int k = 0; k < COUNTS; k++) c[k] = *counts.of[tensor][k];
    c[0] += K(1);
    Settings<T> settings = base;
    counted(c, numbers.of, settings.of);
#pragma unroll
    for (int k = 0; k < COUNTS; k++) *counts.of[tensor][k] = c[k];
    out[tensor] = settings;
}
}  // namespace rn
