// Stable sorting of lines that lie in one piece. Short lines are sorted in shared memory by a bitonic network, over keys
// and places together; long ones by their digits of 8 bits, lowest first, each pass in three launches: how often a tile
// has each digit, where these go (a scan), and moving there. All lines take part in every launch.
namespace rn {
// ---- short lines ----
template <class K> struct Entry { K key; unsigned place; };
template <class K> __device__ __forceinline__ bool comes_after(const Entry<K>& a, const Entry<K>& b) {
    return a.key != b.key ? a.key > b.key : a.place > b.place;
}

// A block sorts SLOTS / LINE lines of `size` elements, at most LINE, and writes the first `kept` of each.
template <int LINE, class A>
__device__ __forceinline__ void sort_short(const A* x, A* values, long long* indices, long long rows, int size, int kept, int descending) {
    constexpr int SLOTS = LINE < 512 ? 512 : LINE;
    __shared__ Entry<Key<A>> slots[SLOTS];
    const long long first_row = (long long)blockIdx.x * (SLOTS / LINE);
    const Key<A> turned = descending ? all_ones<A> : 0;
    for (int s = threadIdx.x; s < SLOTS; s += 256) {
        const int place = s % LINE;
        const long long row = first_row + s / LINE;
        // What fills up a line is sorted behind all of it.
        slots[s] = {place < size && row < rows ? key_of(x[row * size + place]) ^ turned : all_ones<A>, (unsigned)place};
    }
    for (int run = 2; run <= LINE; run *= 2) {
        for (int distance = run / 2; distance > 0; distance /= 2) {
            __syncthreads();
            for (int pair = threadIdx.x; pair < SLOTS / 2; pair += 256) {
                const int low = pair / distance * distance * 2 + pair % distance, high = low + distance;
                // Runs go up and down in turn; the last one, the whole line, up.
                const bool up = (low & run & (LINE - 1)) == 0;
                const Entry<Key<A>> a = slots[low], b = slots[high];
                if (comes_after(a, b) == up) slots[low] = b, slots[high] = a;
            }
        }
    }
    __syncthreads();
    for (int s = threadIdx.x; s < SLOTS; s += 256) {
        const long long row = first_row + s / LINE;
        if (s % LINE >= kept || row >= rows) continue;
        const long long to = row * kept + s % LINE;
        values[to] = x[row * size + slots[s].place];
        indices[to] = slots[s].place;
    }
}

// ---- long lines ----
constexpr int STEPS = 8, TILE = 256 * STEPS;

// The key of element i of a row: of the input in the first pass.
template <bool FIRST, class A> __device__ __forceinline__ Key<A> key_at(const A* x, const Key<A>* keys, long long at, Key<A> turned) {
    return FIRST ? key_of(x[at]) ^ turned : keys[at];
}

// counts[row][digit][tile]
template <bool FIRST, class A>
__device__ __forceinline__ void digit_counts(const A* x, const Key<A>* keys, long long* counts, long long size, long long tiles, int shift, int descending) {
    __shared__ int count[256];
    const long long row = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    count[threadIdx.x] = 0;
    __syncthreads();
    const Key<A> turned = descending ? all_ones<A> : 0;
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        const long long i = tile * TILE + step * 256 + threadIdx.x;
        if (i < size) atomicAdd(&count[(int)(key_at<FIRST, A>(x, keys, row * size + i, turned) >> shift & 255)], 1);
    }
    __syncthreads();
    counts[(row * 256 + threadIdx.x) * tiles + tile] = count[threadIdx.x];
}

// ends: the running sums of counts along each row.
template <bool FIRST, class A>
__device__ __forceinline__ void digit_move(const A* x, const Key<A>* keys, const unsigned* order, Key<A>* next_keys, unsigned* next_order, const long long* ends, long long size, long long tiles, int shift, int descending) {
    typedef Key<A> K;
    __shared__ int before[8][256];       // of a digit in a warp: how many came before
    __shared__ int first[256], warps[8]; // where a digit begins in the sorted tile
    __shared__ long long target[256];    // from a place in the sorted tile to one in the row
    __shared__ K tile_keys[TILE];
    __shared__ unsigned tile_order[TILE];
    const long long row = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const K turned = descending ? all_ones<A> : 0;
    for (int w = 0; w < 8; w++) before[w][threadIdx.x] = 0;
    __syncthreads();
    K own[STEPS];
    int rank[STEPS];
    unsigned place[STEPS];
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        const long long i = tile * TILE + warp * 32 * STEPS + step * 32 + lane;
        const bool there = i < size;
        own[step] = there ? key_at<FIRST, A>(x, keys, row * size + i, turned) : 0;
        place[step] = FIRST ? (unsigned)i : there ? order[row * size + i] : 0;
        const int digit = (int)(own[step] >> shift & 255);
        // The lanes with the same digit.
        unsigned same = __ballot_sync(0xffffffffu, there);
#pragma unroll
        for (int bit = 0; bit < 8; bit++) {
            const unsigned set = __ballot_sync(0xffffffffu, digit >> bit & 1);
            same &= digit >> bit & 1 ? set : ~set;
        }
        const unsigned sooner = same & ((1u << lane) - 1);
        rank[step] = before[warp][digit] + __popc(sooner);
        __syncwarp();
        if (there && sooner == 0) before[warp][digit] += __popc(same);
        __syncwarp();
    }
    __syncthreads();
    // Thread d knows of digit d: how many, and by a scan over the threads where they begin.
    int count = 0;
    for (int w = 0; w < 8; w++) {
        const int here = before[w][threadIdx.x];
        before[w][threadIdx.x] = count;
        count += here;
    }
    int sum = count;
    for (int distance = 1; distance < 32; distance *= 2) {
        const int other = __shfl_up_sync(0xffffffffu, sum, distance);
        if (lane >= distance) sum += other;
    }
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    for (int w = 0; w < warp; w++) sum += warps[w];
    first[threadIdx.x] = sum - count;
    target[threadIdx.x] = ends[(row * 256 + threadIdx.x) * tiles + tile] - sum;
    __syncthreads();
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        if (tile * TILE + warp * 32 * STEPS + step * 32 + lane >= size) continue;
        const int digit = (int)(own[step] >> shift & 255), to = first[digit] + before[warp][digit] + rank[step];
        tile_keys[to] = own[step];
        tile_order[to] = place[step];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < TILE && tile * TILE + i < size; i += 256) {
        const K key = tile_keys[i];
        const long long to = row * size + target[(int)(key >> shift & 255)] + i;
        next_keys[to] = key;
        next_order[to] = tile_order[i];
    }
}

// The first `kept` values of each row and where they were.
template <class A>
__device__ __forceinline__ void sorted_values(const A* x, const Key<A>* keys, const unsigned* order, A* values, long long* indices, long long n, long long size, long long kept, int descending) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long row = i / kept, from = row * size + i % kept;
    const Key<A> key = keys[from] ^ (descending ? all_ones<A> : 0);
    const unsigned place = order[from];
    values[i] = tells_value<A>(key) ? value_of<A>(key) : x[row * size + place];
    indices[i] = place;
}
}  // namespace rn
