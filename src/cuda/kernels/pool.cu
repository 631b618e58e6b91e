// Max pooling over planes of up to three dimensions, and the values that indices pick from planes. Of equal values the
// first wins, of several NaNs the last.
namespace rn {
enum Windows { SLIDING, ADAPTIVE, FRACTIONAL };

struct Pool {
    int size[3], outputs[3], kernel[3], stride[3], padding[3], dilation[3];
    Divisor by_output[3], by_input[3];
    int volume, results;            // elements of a plane, and of its output
    int channels, samples, dims;    // FRACTIONAL: planes of an image, those that have samples, and samples of one
};

// As the samples' type has it.
template <class A, class T> __device__ __forceinline__ T rounded(T x) { return convert<T>(convert<A>(x)); }

// Where the window of output `o` begins and ends along an axis, and the step between its taps.
struct Reach { int begin, end, step; };
template <int WINDOWS, class T, class A>
__device__ __forceinline__ Reach reach(const Pool& p, int axis, int o, const A* samples) {
    if constexpr (WINDOWS == SLIDING) {
        const int step = p.dilation[axis], from = o * p.stride[axis] - p.padding[axis];
        const int end = from + (p.kernel[axis] - 1) * step + 1;
        return {from < 0 ? from + (step - 1 - from) / step * step : from, end < p.size[axis] ? end : p.size[axis], step};
    } else if constexpr (WINDOWS == ADAPTIVE) {
        const long long size = p.size[axis], outputs = p.outputs[axis];
        return {(int)(o * size / outputs), (int)(((o + 1) * size + outputs - 1) / outputs), 1};
    } else {
        // Graham, Fractional Max-Pooling (2014): windows at pseudo-random distances.
        const int last = p.size[axis] - p.kernel[axis];
        int begin = last;
        if (o + 1 < p.outputs[axis]) {
            const T sample = convert<T>(samples[p.dims == 2 ? 2 - axis : axis]);
            const T alpha = rounded<A>(rounded<A>(T((double)last)) / rounded<A>(T((double)(p.outputs[axis] - 1))));
            const long long first = (long long)rounded<A>(sample * alpha);
            const long long at = (long long)rounded<A>(rounded<A>(rounded<A>(T((double)o)) + sample) * alpha) - first;
            begin = at < 0 ? 0 : at > last ? last : (int)at;
        }
        return {begin, begin + p.kernel[axis], 1};
    }
}

// A thread has an output.
template <int WINDOWS, class T, class A>
__device__ __forceinline__ void max_pool(A* y, long long* index, const A* x, const A* samples, Pool p, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    Places o;
    const int plane = split(p.by_output, i, o);
    if constexpr (WINDOWS == FRACTIONAL) samples += ((long long)(plane / p.channels) * p.samples + plane % p.channels) * p.dims;
    const Reach a = reach<WINDOWS, T>(p, 0, o.of[0], samples), b = reach<WINDOWS, T>(p, 1, o.of[1], samples),
                c = reach<WINDOWS, T>(p, 2, o.of[2], samples);
    x += (long long)plane * p.volume;
    T best = lowest<T>();
    // A window that lies wholly in the padding has an index outside the plane.
    int place = a.begin < a.end && b.begin < b.end && c.begin < c.end ? (a.begin * p.size[1] + b.begin) * p.size[2] + c.begin : p.volume;
    for (int z = a.begin; z < a.end; z += a.step) {
        for (int v = b.begin; v < b.end; v += b.step) {
            const int line = (z * p.size[1] + v) * p.size[2];
            for (int u = c.begin; u < c.end; u += c.step) {
                const T value = convert<T>(x[line + u]);
                if (value > best || value != value) best = value, place = line + u;
            }
        }
    }
    y[i] = convert<A>(best);
    if (index) index[i] = place;
}

// The outputs whose windows may hold a place.
template <int WINDOWS> __device__ __forceinline__ Reach holders(const Pool& p, int axis, int place) {
    int begin, end;
    if constexpr (WINDOWS == SLIDING) {
        const int from = place + p.padding[axis] - (p.kernel[axis] - 1) * p.dilation[axis];
        begin = from <= 0 ? 0 : (from + p.stride[axis] - 1) / p.stride[axis];
        end = (place + p.padding[axis]) / p.stride[axis] + 1;
    } else {
        const long long size = p.size[axis], outputs = p.outputs[axis];
        begin = (int)(place * outputs / size);
        end = (int)(((place + 1) * outputs - 1) / size) + 1;
    }
    return {begin, end < p.outputs[axis] ? end : p.outputs[axis], 1};
}

// A thread has an element of the input, and looks who took it: results repeat.
template <int WINDOWS, class T, class A>
__device__ __forceinline__ void max_pool_gradient(A* gx, const A* gy, const long long* index, Pool p, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    Places at;
    const int plane = split(p.by_input, i, at), place = i - plane * p.volume;
    const Reach a = holders<WINDOWS>(p, 0, at.of[0]), b = holders<WINDOWS>(p, 1, at.of[1]), c = holders<WINDOWS>(p, 2, at.of[2]);
    gy += (long long)plane * p.results;
    index += (long long)plane * p.results;
    T sum = T(0.0);
    for (int z = a.begin; z < a.end; z++)
        for (int v = b.begin; v < b.end; v++)
            for (int u = c.begin; u < c.end; u++) {
                const int o = (z * p.outputs[1] + v) * p.outputs[2] + u;
                if (index[o] == place) sum = sum + convert<T>(gy[o]);
            }
    gx[i] = convert<A>(sum);
}

// ---- planes of `volume` elements with `results` indices; an index outside stands for nothing ----
template <class A>
__device__ __forceinline__ void plane_gather(A* y, const A* x, const long long* index, Divisor results, long long volume, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long at = index[i];
    y[i] = at >= 0 && at < volume ? x[results.divide(i) * volume + at] : A{};
}

// y is zeros before. With ADD what meets is summed, else one of them stays, and an index outside is an error.
template <bool ADD, class T, class A>
__device__ __forceinline__ void plane_scatter(A* y, const A* x, const long long* index, Divisor results, long long volume, int n, BadIndex* bad, int operation) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long at = index[i];
    if (at < 0 || at >= volume) {
        if constexpr (!ADD) report(bad, operation, Indexer{nullptr, volume, 0, 0, 0}, at);
        return;
    }
    A* to = y + results.divide(i) * volume + at;
    if constexpr (ADD) put_atomic<rn::ADD>(to, convert<T>(x[i]));
    else *to = x[i];
}
}  // namespace rn
