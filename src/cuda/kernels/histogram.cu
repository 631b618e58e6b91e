// Histograms: how many of the elements fall into each bin, or what they weigh. Few bins are counted in shared memory, by one
// histogram a block, so that memory sees one addition a block and bin; many are counted where they are.
namespace rn {
// Bytes of a block's own histogram.
constexpr int HISTOGRAM_BYTES = 32 << 10;

// What a bin counts with in shared memory and in memory.
template <class W> struct Bin { typedef W Own; typedef W All; };
template <> struct Bin<long long> { typedef unsigned Own; typedef unsigned long long All; };

// bins[place(i)] += weight(i) for i < n; a place that is no bin counts for none. bins are zero before.
template <bool OWN, class W, class Place, class Weight>
__device__ __forceinline__ void count_bins(W* bins, long long n, int size, Place place, Weight weight) {
    typedef typename Bin<W>::Own Own;
    typedef typename Bin<W>::All All;
    const long long step = (long long)gridDim.x * 256, first = (long long)blockIdx.x * 256 + threadIdx.x;
    if constexpr (OWN) {
        __shared__ Own own[HISTOGRAM_BYTES / sizeof(Own)];
        for (int b = threadIdx.x; b < size; b += 256) own[b] = 0;
        __syncthreads();
        for (long long i = first; i < n; i += step) {
            const long long b = place(i);
            if (b >= 0 && b < size) atomicAdd(&own[b], (Own)weight(i));
        }
        __syncthreads();
        for (int b = threadIdx.x; b < size; b += 256)
            if (own[b] != 0) atomicAdd((All*)&bins[b], (All)own[b]);
    } else {
        for (long long i = first; i < n; i += step) {
            const long long b = place(i);
            if (b >= 0 && b < size) atomicAdd((All*)&bins[b], (All)weight(i));
        }
    }
}

// Of places that are known.
template <bool OWN, class W>
__device__ __forceinline__ void count_places(W* bins, const long long* places, const W* weights, long long n, int size) {
    count_bins<OWN>(bins, n, size, [&](long long i) { return places[i]; }, [&](long long i) { return weights ? weights[i] : W(1); });
}

// Of numbers between the first edge and the last, in bins of equal widths.
template <bool OWN, class R>
__device__ __forceinline__ void count_even(long long* bins, const R* x, const R* edges, long long n, int size) {
    const R low = edges[0], high = edges[size];
    count_bins<OWN>(bins, n, size, [&](long long i) {
        const R value = x[i];
        if (!(value >= low && value <= high)) return -1ll;
        const long long bin = (long long)((value - low) * (R)size / (high - low));
        return bin < size ? bin : size - 1ll;
    }, [](long long) { return 1ll; });
}
}  // namespace rn
