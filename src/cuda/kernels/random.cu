// Random numbers by Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011). The key is the seed; a thread's part of the
// stream is the upper half of the counter, the place in it the lower half. Which thread draws which element, and what
// is made of the words, is laid out as PyTorch's generator for CUDA has it.
namespace rn {

struct Words { unsigned v[4]; };

__device__ __forceinline__ Words philox(Words c, unsigned long long seed) {
    unsigned first = (unsigned)seed, second = (unsigned)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const unsigned low = 0xD2511F53u * c.v[0], high = __umulhi(0xD2511F53u, c.v[0]);
        const unsigned other_low = 0xCD9E8D57u * c.v[2], other_high = __umulhi(0xCD9E8D57u, c.v[2]);
        c = {{other_high ^ c.v[1] ^ first, other_low, high ^ c.v[3] ^ second, low}};
        first += 0x9E3779B9u;
        second += 0xBB67AE85u;
    }
    return c;
}

// What the generator hands to a launch; `offset` is a multiple of 4. In a graph the seed is read when it is replayed, and
// what is to be added to the offset.
struct Place { unsigned long long seed, offset; const unsigned long long* graph; };

// A thread's part of the stream.
struct Stream {
    unsigned long long seed, place, sequence;
    __device__ __forceinline__ Stream(Place from, unsigned long long thread) : seed(from.seed), place(from.offset / 4), sequence(thread) {
        if (from.graph) {
            seed = from.graph[0];
            place = (from.graph[1] + from.offset) / 4;
        }
    }
    __device__ __forceinline__ Words next() {
        const Words counter = {{(unsigned)place, (unsigned)(place >> 32), (unsigned)sequence, (unsigned)(sequence >> 32)}};
        if (++place == 0) sequence++;
        return philox(counter, seed);
    }
};

// ---- numbers of words: on (0, 1], 2^-33 or 2^-54 above the multiples of 2^-32 or 2^-53 ----
template <class T, int N> struct Drawn { T v[N]; };

__device__ __forceinline__ float unit(unsigned word) { return ::fmaf((float)word, 2.3283064e-10f, 2.3283064e-10f / 2); }
__device__ __forceinline__ unsigned long long joined(unsigned low, unsigned high) { return low ^ (unsigned long long)high << 21; }
__device__ __forceinline__ double unit(unsigned low, unsigned high) {
    return ::fma((double)joined(low, high), 1.1102230246251565e-16, 1.1102230246251565e-16 / 2);
}

__device__ __forceinline__ Drawn<float, 4> uniform_of(Words w, float) { return {{unit(w.v[0]), unit(w.v[1]), unit(w.v[2]), unit(w.v[3])}}; }
__device__ __forceinline__ Drawn<double, 2> uniform_of(Words w, double) { return {{unit(w.v[0], w.v[1]), unit(w.v[2], w.v[3])}}; }

// Box and Muller (1958): two words give a radius and an angle, and these two normal numbers.
__device__ __forceinline__ void box_muller(unsigned a, unsigned b, float& x, float& y) {
    const float radius = ::sqrtf(-2.0f * ::logf(unit(a)));
    const float angle = ::fmaf((float)b, 2.3283064e-10f * 6.2831855f, 2.3283064e-10f * 6.2831855f / 2);
    __sincosf(angle, &x, &y);
    x *= radius;
    y *= radius;
}
__device__ __forceinline__ Drawn<float, 4> normal_of(Words w, float) {
    Drawn<float, 4> d;
    box_muller(w.v[0], w.v[1], d.v[0], d.v[1]);
    box_muller(w.v[2], w.v[3], d.v[2], d.v[3]);
    return d;
}
__device__ __forceinline__ Drawn<double, 2> normal_of(Words w, double) {
    Drawn<double, 2> d;
    const double radius = ::sqrt(-2.0 * ::log(unit(w.v[0], w.v[1])));
    ::sincospi(2.0 * unit(w.v[2], w.v[3]), &d.v[0], &d.v[1]);
    d.v[0] *= radius;
    d.v[1] *= radius;
    return d;
}

// Every thread takes an element in each row of as many elements as there are threads; a call of Philox serves as many
// rows as it gives numbers.
template <class Draw, class Write> __device__ __forceinline__ void each(long long n, Place from, Draw draw, Write write) {
    const long long threads = (long long)gridDim.x * 256, first = (long long)blockIdx.x * 256 + threadIdx.x;
    Stream stream(from, first);
    for (long long i = first; i < n;) {
        const auto drawn = draw(stream.next());
#pragma unroll
        for (int k = 0; k < (int)(sizeof(drawn.v) / sizeof(drawn.v[0])); k++, i += threads)
            if (i < n) write(i, drawn.v[k]);
    }
}

enum Distribution { UNIFORM, NORMAL, LOG_NORMAL, EXPONENTIAL, GEOMETRIC, CAUCHY, BERNOULLI };

template <class T> constexpr T half_an_ulp = Same<T, float>::value ? T(5.9604645e-8) : T(1.1102230246251565e-16);

// A number of the distribution with parameters a and b, of a uniform or normal one.
template <int DISTRIBUTION, class A, class T> __device__ __forceinline__ A shaped(T x, T a, T b) {
    if constexpr (DISTRIBUTION == UNIFORM) {
        // The end that is not in the interval is where the one that is was cut off.
        const A low = convert<A>(a), high = convert<A>(b), value = convert<A>(x * (convert<T>(high) - convert<T>(low)) + convert<T>(low));
        return convert<T>(value) == convert<T>(high) ? low : value;
    }
    else if constexpr (DISTRIBUTION == NORMAL) return convert<A>(x * b + a);
    else if constexpr (DISTRIBUTION == LOG_NORMAL) return convert<A>(exp(x * b + a));
    // Not log(1), which is no exponential number.
    else if constexpr (DISTRIBUTION == EXPONENTIAL) return convert<A>(T(-1) / a * (x >= T(1) - half_an_ulp<T> ? -half_an_ulp<T> : log(x)));
    else if constexpr (DISTRIBUTION == GEOMETRIC) return convert<A>(maximum(ceil(log(x) / log1p(-a)), T(1)));
    else if constexpr (DISTRIBUTION == CAUCHY) {
        x = minimum(maximum(x, half_an_ulp<T>), T(1) - half_an_ulp<T>);
        return convert<A>(a + b * tan(T(3.14159265358979323846) * (x - T(0.5))));
    }
    else return convert<A>(x < a || a == T(1));
}

template <int DISTRIBUTION, class T, class A> __device__ __forceinline__ void fill_random(A* out, long long n, Place from, T a, T b) {
    each(n, from,
        [](Words w) {
            if constexpr (DISTRIBUTION == NORMAL || DISTRIBUTION == LOG_NORMAL) return normal_of(w, T());
            else return uniform_of(w, T());
        },
        [=](long long i, T x) { out[i] = shaped<DISTRIBUTION, A>(x, a, b); });
}

// Integers of [low, low + range): a word each, or two where the range is large; 0 stands for
// all 64-bit integers.
template <bool WIDE, class A> __device__ __forceinline__ void fill_integers(A* out, long long n, Place from, long long low, unsigned long long range) {
    const auto write = [=](long long i, unsigned long long bits) {
        out[i] = convert<A>((long long)(range == 0 ? bits : bits % range + (unsigned long long)low));
    };
    if constexpr (WIDE) {
        const auto pair = [](Words w) {
            return Drawn<unsigned long long, 2>{{(unsigned long long)w.v[0] << 32 | w.v[1], (unsigned long long)w.v[2] << 32 | w.v[3]}};
        };
        each(n, from, pair, write);
    } else each(n, from, [](Words w) { return w; }, write);
}

// 1 with the probability that an element of p says: a thread has four elements side by side.
template <class A, class P> __device__ __forceinline__ void bernoulli_each(A* out, const P* p, long long n, Place from) {
    const long long thread = (long long)blockIdx.x * 256 + threadIdx.x;
    if (thread * 4 >= n) return;
    const Words words = Stream(from, thread).next();
#pragma unroll
    for (int k = 0; k < 4; k++) {
        const long long i = thread * 4 + k;
        if (i < n) out[i] = convert<A>(convert<double>(p[i]) >= (double)unit(words.v[k]));
    }
}

// Dropout and its mask. Threads have WIDTH elements side by side, or take them as `each` has it.
template <int WIDTH, class T, class A> __device__ __forceinline__ void dropout(A* out, bool* mask, const A* x, long long n, Place from, T keep, T scale) {
    if constexpr (WIDTH == 1) {
        each(n, from, [](Words w) { return uniform_of(w, 0.0f); }, [=](long long i, float u) {
            const bool kept = u < keep;
            mask[i] = kept;
            out[i] = convert<A>(convert<T>(x[i]) * T((double)kept) * scale);
        });
    } else {
        const long long threads = (long long)gridDim.x * 256, first = (long long)blockIdx.x * 256 + threadIdx.x;
        Stream stream(from, first);
        Words words;
        bool rest = false;   // two words are left over
        for (long long i = first * WIDTH; i < n; i += threads * WIDTH) {
            const Pack<A, WIDTH> read = *(const Pack<A, WIDTH>*)(x + i);
            Pack<A, WIDTH> write;
            Pack<bool, WIDTH> kept;
            if (rest) {
                words.v[0] = words.v[2];
                words.v[1] = words.v[3];
            } else words = stream.next();
            rest = WIDTH == 2 && !rest;
#pragma unroll
            for (int k = 0; k < WIDTH; k++) {
                kept.v[k] = unit(words.v[k]) < keep;
                write.v[k] = convert<A>(convert<T>(read.v[k]) * T((double)kept.v[k]) * scale);
            }
            *(Pack<A, WIDTH>*)(out + i) = write;
            *(Pack<bool, WIDTH>*)(mask + i) = kept;
        }
    }
}

// Cumulative sums of rows of weights, a block a row.
template <class A> __device__ __forceinline__ void cumulative_weights(double* out, const A* weights, long long columns) {
    __shared__ double warps[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    weights += blockIdx.x * columns;
    out += blockIdx.x * columns;
    double before = 0;
    for (long long start = 0; start < columns; start += 256) {
        const long long i = start + threadIdx.x;
        double sum = i < columns ? convert<double>(weights[i]) : 0;
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const double lower = __shfl_up_sync(0xffffffffu, sum, distance);
            if (lane >= distance) sum += lower;
        }
        if (lane == 31) warps[warp] = sum;
        __syncthreads();
        double lower = 0, all = 0;
#pragma unroll
        for (int k = 0; k < 8; k++) {
            if (k < warp) lower += warps[k];
            all += warps[k];
        }
        if (i < columns) out[i] = before + lower + sum;
        before += all;
        __syncthreads();
    }
}

// Columns by their weights, `count` of each row: where a uniform number falls among the cumulative sums.
template <class A> __device__ __forceinline__ void draw_columns(long long* out, const double* sums, const A* weights, long long columns, long long count, long long n, Place from) {
    each(n, from, [](Words w) { return uniform_of(w, 0.0); }, [=](long long i, double u) {
        const double* sum = sums + i / count * columns;
        const A* weight = weights + i / count * columns;
        const double target = u * sum[columns - 1];
        long long low = 0, high = columns - 1;   // the first sum that reaches the target
        while (low < high) {
            const long long middle = low + (high - low) / 2;
            if (sum[middle] < target) low = middle + 1;
            else high = middle;
        }
        // Rounding may have lifted a sum where nothing was added.
        while (low + 1 < columns && convert<double>(weight[low]) == 0) low++;
        while (low > 0 && convert<double>(weight[low]) == 0) low--;
        out[i] = low;
    });
}
}  // namespace rn
