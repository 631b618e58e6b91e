// Places in sorted sequences: the twin of cpu::search::place. A thread has a value.
namespace rn {
// Before which element of its sequence a value belongs; `each` values go with a sequence of `length`. NaN comes after all.
template <bool RIGHT, bool ORDERED, class A>
__device__ __forceinline__ void places(const A* sorted, const long long* order, const A* values, long long* out, long long n, long long length, long long each) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const A* sequence = sorted + i / each * length;
    const A value = values[i];
    long long start = 0, end = length;
    if (!is_number(value)) start = length;
    const Key<A> key = key_of(value);
    while (start < end) {
        const long long middle = start + (end - start) / 2;
        const A found = sequence[ORDERED ? order[i / each * length + middle] : middle];
        const bool stays = is_number(found) && (RIGHT ? key_of(found) > key : key_of(found) >= key);
        if (stays) end = middle;
        else start = middle + 1;
    }
    out[i] = start;
}
}  // namespace rn
