// Compaction: the true elements of a mask, counted, found, packed side by side and spread again. A block has 4096 elements:
// each of its warps 16 times 32 neighbours, whose truth is one word.
namespace rn {
constexpr int RUNS = 16, PER_BLOCK = 8 * 32 * RUNS;

__device__ __forceinline__ long long run_start(int run) {
    return (long long)blockIdx.x * PER_BLOCK + (threadIdx.x / 32) * 32 * RUNS + run * 32;
}

// The truth of the warp's runs of 32, and how many of the block's elements before this warp are true.
__device__ __forceinline__ int find_hits(const unsigned char* mask, long long n, unsigned* hits, int& total) {
    __shared__ int warps[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int count = 0;
#pragma unroll
    for (int run = 0; run < RUNS; run++) {
        const long long i = run_start(run) + lane;
        hits[run] = __ballot_sync(0xffffffffu, i < n && mask[i] != 0);
        count += __popc(hits[run]);
    }
    if (lane == 0) warps[warp] = count;
    __syncthreads();
    int before = 0;
    total = 0;
    for (int w = 0; w < 8; w++) {
        if (w == warp) before = total;
        total += warps[w];
    }
    return before;
}

template <int> __device__ __forceinline__ void count_hits(const unsigned char* mask, long long* counts, long long n) {
    unsigned hits[RUNS];
    int total;
    find_hits(mask, n, hits, total);
    if (threadIdx.x == 0) counts[blockIdx.x] = total;
}

// What becomes of the k-th true element, which is element i.
struct Sizes { int rank; long long of[16]; };
struct Coordinates {
    long long* out;
    long long total;
    Sizes sizes;
    __device__ __forceinline__ void hit(long long i, long long k) const {
        for (int d = sizes.rank - 1; d > 0; d--) {
            const long long rest = i / sizes.of[d];
            out[d * total + k] = i - rest * sizes.of[d];
            i = rest;
        }
        out[k] = i;
    }
};
template <class W> struct Packing {
    W* out;
    const W* x;
    __device__ __forceinline__ void hit(long long i, long long k) const { out[k] = x[i]; }
};
template <class W> struct Spreading {
    W* out;
    const W* packed;
    __device__ __forceinline__ void hit(long long i, long long k) const { out[i] = packed[k]; }
};

// `ends` has the number of true elements up to the end of each block.
template <class What> __device__ __forceinline__ void at_hits(What what, const unsigned char* mask, const long long* ends, long long n) {
    unsigned hits[RUNS];
    int total;
    long long k = find_hits(mask, n, hits, total);
    if (blockIdx.x > 0) k += ends[blockIdx.x - 1];
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int run = 0; run < RUNS; run++) {
        if (hits[run] >> lane & 1) what.hit(run_start(run) + lane, k + __popc(hits[run] & ((1u << lane) - 1)));
        k += __popc(hits[run]);
    }
}
}  // namespace rn
