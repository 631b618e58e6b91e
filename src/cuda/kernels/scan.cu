// Scans: what has come together after each element of a line. Lines that lie in one piece are a group's (a warp or a
// block), which goes through shared memory; of others each thread has one, beside its neighbours'. Long lines are cut into
// parts: one launch has the totals of the parts, one scans these, one scans the parts. The cuts depend on sizes alone, so
// that results repeat.
namespace rn {
enum Scan { SCAN_SUM, SCAN_PROD, SCAN_LOG_SUM_EXP, SCAN_MAX, SCAN_MIN, RECURRENCE };
enum Stage { WHOLE, TOTALS, TOTALS_SCAN };

// An element and where it is.
template <class T> struct Extreme { T value; long long index; };
// y = factor * (what came before) + value.
template <class T> struct Step { T factor, value; };

RN_F R log_sum_exp(R a, R b) { return logaddexp(a, b); }
RN_C Complex<R> log_sum_exp(Complex<R> a, Complex<R> b) {
    if (is_nan(a)) return a;
    const Complex<R> low = a.re < b.re ? a : b, high = a.re < b.re ? b : a;
    if (is_inf(low.re) && low.re < 0) return high;
    if (!is_finite(high.re)) return low.re == high.re ? log(exp(low) + exp(high)) : high;
    return high + log(Complex<R>(1.0) + exp(low - high));
}
__device__ __forceinline__ Int log_sum_exp(Int a, Int b) { return a > b ? a : b; }   // refused before

// `a` comes before `b`. Of equal elements the last one counts, and NaN wins.
template <int OP, class T> __device__ __forceinline__ T join(T a, T b) {
    if constexpr (OP == SCAN_SUM) return a + b;
    else if constexpr (OP == SCAN_PROD) return a * b;
    else return log_sum_exp(a, b);
}
template <int OP, class T> __device__ __forceinline__ Extreme<T> join(Extreme<T> a, Extreme<T> b) {
    const bool later = is_nan(b.value) || (!is_nan(a.value) && (OP == SCAN_MAX ? b.value >= a.value : b.value <= a.value));
    return later ? b : a;
}
template <int OP, class T> __device__ __forceinline__ Step<T> join(Step<T> a, Step<T> b) {
    return {a.factor * b.factor, b.factor * a.value + b.value};
}

// What a scan reads and writes; g is the second input of a recurrence.
template <class S, class A> struct Operands { const A* x; const A* g; A* y; long long* indices; S* totals; };

template <class S, class A> struct Element {
    static __device__ __forceinline__ S load(const Operands<S, A>& o, long long at, long long) { return convert<S>(o.x[at]); }
    static __device__ __forceinline__ void store(const Operands<S, A>& o, long long at, S s) { o.y[at] = convert<A>(s); }
};
template <class T, class A> struct Element<Extreme<T>, A> {
    typedef Extreme<T> S;
    static __device__ __forceinline__ S load(const Operands<S, A>& o, long long at, long long i) { return {convert<T>(o.x[at]), i}; }
    static __device__ __forceinline__ void store(const Operands<S, A>& o, long long at, S s) {
        o.y[at] = convert<A>(s.value);
        o.indices[at] = s.index;
    }
};
template <class T, class A> struct Element<Step<T>, A> {
    typedef Step<T> S;
    static __device__ __forceinline__ S load(const Operands<S, A>& o, long long at, long long) { return {convert<T>(o.x[at]), convert<T>(o.g[at])}; }
    static __device__ __forceinline__ void store(const Operands<S, A>& o, long long at, S s) { o.y[at] = convert<A>(s.value); }
};

// The value of the lane that is `distance` before this one.
template <class S> __device__ __forceinline__ S from_before(const S& s, int distance) {
    union Words { S value; unsigned words[sizeof(S) / 4]; __device__ __forceinline__ Words(const S& s) : value(s) {} } w(s);
#pragma unroll
    for (int k = 0; k < (int)(sizeof(S) / 4); k++) w.words[k] = __shfl_up_sync(0xffffffffu, w.words[k], distance);
    return w.value;
}

// Lines in one piece: `rows` of `size` elements, each cut into parts of `length`, of which a group of threads has one.
template <int OP, int STAGE, int GROUP, class S, class A>
__device__ __forceinline__ void scan_rows(Operands<S, A> o, long long rows, long long size, long long length, int from_end) {
    constexpr int ITEMS = sizeof(S) <= 8 ? 8 : 4, TILE = GROUP * ITEMS, GROUPS = 256 / GROUP;
    __shared__ S tiles[GROUPS * (TILE + GROUP)];
    __shared__ S warps[8];
    const int thread = threadIdx.x % GROUP, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    S* tile = tiles + threadIdx.x / GROUP * (TILE + GROUP);
    // One empty place behind the items of each thread: threads side by side use different banks.
    auto in_tile = [](int i) { return i + i / ITEMS; };
    const long long parts = (size + length - 1) / length;
    const long long which = (long long)blockIdx.x * GROUPS + threadIdx.x / GROUP;
    const long long row = which / parts, part = which % parts, begin = part * length;
    const long long end = row >= rows ? begin : begin + length < size ? begin + length : size;
    const long long first = row * size + (from_end ? size - 1 : 0);
    auto load = [&](long long i) {
        if constexpr (STAGE == TOTALS_SCAN) return o.totals[row * size + i];
        else return Element<S, A>::load(o, from_end ? first - i : first + i, i);
    };
    bool carrying = false;
    S carry;
    if (STAGE == WHOLE && part > 0 && row < rows) carry = o.totals[row * parts + part - 1], carrying = true;
    for (long long start = begin; start < begin + length && start < size; start += TILE) {
#pragma unroll
        for (int k = 0; k < ITEMS; k++) {
            const int at = k * GROUP + thread;
            // What stands behind the end is never combined with what counts.
            tile[in_tile(at)] = start + at < end ? load(start + at) : S{};
        }
        __syncthreads();
        S own[ITEMS];
#pragma unroll
        for (int k = 0; k < ITEMS; k++) {
            const S item = tile[in_tile(thread * ITEMS + k)];
            own[k] = k == 0 ? item : join<OP>(own[k > 0 ? k - 1 : 0], item);
        }
        S total = own[ITEMS - 1];
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const S other = from_before(total, distance);
            if (lane >= distance) total = join<OP>(other, total);
        }
        S before = from_before(total, 1);
        bool is_after = lane > 0;
        if constexpr (GROUP > 32) {
            if (lane == 31) warps[warp] = total;
            __syncthreads();
            if (warp > 0) {
                S sooner = warps[0];
                for (int w = 1; w < warp; w++) sooner = join<OP>(sooner, warps[w]);
                before = is_after ? join<OP>(sooner, before) : sooner;
                is_after = true;
            }
        }
        if (carrying) {
            before = is_after ? join<OP>(carry, before) : carry;
            is_after = true;
        }
#pragma unroll
        for (int k = 0; k < ITEMS; k++) tile[in_tile(thread * ITEMS + k)] = is_after ? join<OP>(before, own[k]) : own[k];
        __syncthreads();
        carry = tile[in_tile(TILE - 1)];
        carrying = true;
        if constexpr (STAGE != TOTALS) {
#pragma unroll
            for (int k = 0; k < ITEMS; k++) {
                const int at = k * GROUP + thread;
                if (start + at >= end) continue;
                if constexpr (STAGE == TOTALS_SCAN) o.totals[row * size + start + at] = tile[in_tile(at)];
                else Element<S, A>::store(o, from_end ? first - start - at : first + start + at, tile[in_tile(at)]);
            }
        }
        __syncthreads();
    }
    // Of the last part of a row, which may be short, nobody needs the total.
    if constexpr (STAGE == TOTALS) if (thread == 0 && row < rows) o.totals[row * parts + part] = carry;
}

// Lines whose elements are `inner` apart: a thread has a part of one.
template <int OP, int STAGE, class S, class A>
__device__ __forceinline__ void scan_columns(Operands<S, A> o, long long lines, long long size, long long inner, long long length, int from_end) {
    const long long line = (long long)blockIdx.x * 256 + threadIdx.x;
    if (line >= lines) return;
    const long long part = blockIdx.y, begin = part * length, end = begin + length < size ? begin + length : size;
    const long long first = line / inner * size * inner + line % inner;
    bool carrying = STAGE == WHOLE && part > 0;
    S total;
    if (carrying) total = o.totals[line * gridDim.y + part - 1];
#pragma unroll 4
    for (long long i = begin; i < end; i++) {
        const long long at = first + (from_end ? size - 1 - i : i) * inner;
        const S item = Element<S, A>::load(o, at, i);
        total = carrying ? join<OP>(total, item) : item;
        carrying = true;
        if constexpr (STAGE == WHOLE) Element<S, A>::store(o, at, total);
    }
    if constexpr (STAGE == TOTALS) o.totals[line * gridDim.y + part] = total;
}
}  // namespace rn
