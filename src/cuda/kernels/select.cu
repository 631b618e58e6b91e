// Elements by their rank in lines that lie in one piece, without sorting: the key of a rank is found by its digits of 8 bits,
// highest first, of which each pass counts those that have the digits before. What comes before the key in order, and of its
// equals as many as are needed, is then gathered in the order it had. All lines take part in every launch.
namespace rn {
constexpr int SELECT_STEPS = 8, SELECT_TILE = 256 * SELECT_STEPS;

// counts[row][digit], zero before: how often each digit stands behind the digits of the row's key.
template <class A>
__device__ __forceinline__ void select_counts(const A* x, const Key<A>* found, int* counts, long long size, long long tiles, int shift, int descending) {
    __shared__ int count[256];
    const long long row = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    const Key<A> turned = descending ? all_ones<A> : 0;
    const bool first = shift + 8 >= (int)sizeof(A) * 8;
    const Key<A> before = first ? 0 : found[row] >> shift >> 8;
    count[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (int step = 0; step < SELECT_STEPS; step++) {
        const long long i = tile * SELECT_TILE + step * 256 + threadIdx.x;
        const Key<A> key = i < size ? key_of(x[row * size + i]) ^ turned : 0;
        bool waits = i < size && (first || key >> shift >> 8 == before);
        const int digit = (int)(key >> shift & 255);
        // Most keys begin alike: lanes with the digit of the first one that waits are counted at once.
        const unsigned waiting = __ballot_sync(0xffffffffu, waits);
        if (waiting != 0) {
            const int leader = __ffs((int)waiting) - 1, common = __shfl_sync(0xffffffffu, digit, leader);
            const unsigned same = __ballot_sync(0xffffffffu, waits && digit == common);
            if ((int)(threadIdx.x % 32) == leader) atomicAdd(&count[common], __popc(same));
            if (waits && digit != common) atomicAdd(&count[digit], 1);
        }
    }
    __syncthreads();
    if (count[threadIdx.x] != 0) atomicAdd(&counts[row * 256 + threadIdx.x], count[threadIdx.x]);
}

// A block has a row: its key gets the digit that the rank falls on, and the rank becomes that among its equals so far.
template <class K>
__device__ __forceinline__ void select_digit(K* found, long long* ranks, int* counts, int shift) {
    __shared__ long long warps[8];
    const long long row = blockIdx.x, rank = ranks[row];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int count = counts[row * 256 + threadIdx.x];
    counts[row * 256 + threadIdx.x] = 0;
    long long sum = count;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
        const long long other = __shfl_up_sync(0xffffffffu, sum, distance);
        if (lane >= distance) sum += other;
    }
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    for (int w = 0; w < warp; w++) sum += warps[w];
    if (rank < sum - count || rank >= sum) return;
    found[row] |= (K)threadIdx.x << shift;
    ranks[row] = rank - (sum - count);
}

// counts[row][0][tile], counts[row][1][tile]: keys before the row's, and its equals.
template <class A>
__device__ __forceinline__ void select_tiles(const A* x, const Key<A>* found, long long* counts, long long size, long long tiles, int descending) {
    const long long row = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    const Key<A> turned = descending ? all_ones<A> : 0, key = found[row];
    int less = 0, equal = 0;
#pragma unroll
    for (int step = 0; step < SELECT_STEPS; step++) {
        const long long i = tile * SELECT_TILE + step * 256 + threadIdx.x;
        if (i >= size) continue;
        const Key<A> own = key_of(x[row * size + i]) ^ turned;
        less += own < key;
        equal += own == key;
    }
    __shared__ int sums[2][8];
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        less += __shfl_xor_sync(0xffffffffu, less, distance);
        equal += __shfl_xor_sync(0xffffffffu, equal, distance);
    }
    if (threadIdx.x % 32 == 0) sums[0][threadIdx.x / 32] = less, sums[1][threadIdx.x / 32] = equal;
    __syncthreads();
    if (threadIdx.x >= 2) return;
    long long sum = 0;
    for (int w = 0; w < 8; w++) sum += sums[threadIdx.x][w];
    counts[(row * 2 + threadIdx.x) * tiles + tile] = sum;
}

// ends: the running sums of these counts. ONE: the element of the rank alone; else all up to it, `kept` a row.
template <bool ONE, class A>
__device__ __forceinline__ void select_gather(const A* x, const Key<A>* found, const long long* ranks, const long long* ends, A* values, long long* indices, long long size, long long tiles, long long kept, int descending) {
    __shared__ int counts[2][SELECT_STEPS * 8];   // of each warp in each step, then those before it
    const long long row = blockIdx.x / tiles, tile = blockIdx.x % tiles, rank = ranks[row];
    const Key<A> turned = descending ? all_ones<A> : 0, key = found[row];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned sooner = (1u << lane) - 1;
    unsigned less[SELECT_STEPS], equal[SELECT_STEPS];
#pragma unroll
    for (int step = 0; step < SELECT_STEPS; step++) {
        const long long i = tile * SELECT_TILE + step * 256 + threadIdx.x;
        const Key<A> own = i < size ? key_of(x[row * size + i]) ^ turned : 0;
        less[step] = __ballot_sync(0xffffffffu, i < size && own < key);
        equal[step] = __ballot_sync(0xffffffffu, i < size && own == key);
        if (lane == 0) counts[0][step * 8 + warp] = __popc(less[step]), counts[1][step * 8 + warp] = __popc(equal[step]);
    }
    __syncthreads();
    if (threadIdx.x < 2) {
        int sum = 0;
        for (int k = 0; k < SELECT_STEPS * 8; k++) {
            const int here = counts[threadIdx.x][k];
            counts[threadIdx.x][k] = sum;
            sum += here;
        }
    }
    __syncthreads();
    const long long less_before = tile == 0 ? 0 : ends[row * 2 * tiles + tile - 1];
    const long long equal_before = tile == 0 ? 0 : ends[(row * 2 + 1) * tiles + tile - 1];
#pragma unroll
    for (int step = 0; step < SELECT_STEPS; step++) {
        const bool is_less = less[step] >> lane & 1, is_equal = equal[step] >> lane & 1;
        if (!is_less && !is_equal) continue;
        const long long i = tile * SELECT_TILE + step * 256 + threadIdx.x;
        const long long equals = equal_before + counts[1][step * 8 + warp] + __popc(equal[step] & sooner);
        if (is_equal && (ONE ? equals != rank : equals > rank)) continue;
        if (ONE && is_less) continue;
        const long long all_less = less_before + counts[0][step * 8 + warp] + __popc(less[step] & sooner);
        const long long to = ONE ? row : row * kept + all_less + (equals <= rank ? equals : rank + 1);
        values[to] = x[row * size + i];
        indices[to] = i;
    }
}
}  // namespace rn
