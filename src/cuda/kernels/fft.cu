// Discrete Fourier transforms of lines of complex numbers, by Stockham's autosort (Cochran et al., 1967). A line of at most
// FFT_POINTS goes through shared memory at once. A longer one takes several passes, each a step of the same algorithm whose
// radix is hundreds: the transforms of that size are themselves made in shared memory. All run forward: for the way back
// numbers are conjugated when they are read and written. Lengths with large prime factors are convolutions (Bluestein, 1970).
namespace rn {
template <class R> constexpr int FFT_POINTS = sizeof(R) == 4 ? 2048 : 1024;
constexpr int FFT_STAGES = 11;
enum FftKind { FFT_COMPLEX, FFT_FROM_HALF, FFT_TO_HALF };

// One empty place after 128 bytes, so that strides of powers of two meet different banks.
template <class R> __device__ __forceinline__ int padded(int i) { return i + i / (sizeof(R) == 4 ? 16 : 8); }

template <class R> __device__ __forceinline__ Complex<R> load_point(const R* x, long long i) {
    const Pack<R, 2> p = *(const Pack<R, 2>*)(x + 2 * i);
    return {p.v[0], p.v[1]};
}
template <class R> __device__ __forceinline__ void store_point(R* x, long long i, Complex<R> z) {
    *(Pack<R, 2>*)(x + 2 * i) = {{z.re, z.im}};
}
RN_C Complex<R> mirrored(Complex<R> z, bool turned = true) { return {z.re, turned ? -z.im : z.im}; }
RN_C Complex<R> scaled(Complex<R> z, R by) { return {z.re * by, z.im * by}; }

// e^(-2 pi i x / n) for x < n, from an angle of at most an eighth of a turn.
template <class R> __device__ __forceinline__ Complex<R> root_of_one(unsigned x, unsigned n) {
    const bool below = x > n - x;
    if (below) x = n - x;
    unsigned long long quarters = 4ull * x;
    const bool left = quarters > n;
    if (left) quarters = 2ull * n - quarters;
    const bool steep = 2 * quarters > n;
    if (steep) quarters = n - quarters;
    const R half_turns = (R)quarters / (R)n * R(0.5);
    R s, c;
    if constexpr (sizeof(R) == 4) sincospif(half_turns, &s, &c);
    else sincospi(half_turns, &s, &c);
    if (steep) { const R other = s; s = c; c = other; }
    return {left ? -c : c, below ? s : -s};
}

// ---- transforms of few points, in registers; w[q] = e^(-2 pi i q / P) ----
template <int P, class R> struct Butterfly {   // odd
    static __device__ __forceinline__ void run(Complex<R>* v, const Complex<R>* w) {
        constexpr int HALF = P / 2;
        Complex<R> sum[HALF + 1], difference[HALF + 1];
        const Complex<R> first = v[0];
#pragma unroll
        for (int t = 1; t <= HALF; t++) {
            sum[t] = v[t] + v[P - t];
            difference[t] = v[t] - v[P - t];
            v[0] = v[0] + sum[t];
        }
#pragma unroll
        for (int k = 1; k <= HALF; k++) {
            Complex<R> a = first, b(R(0), R(0));
#pragma unroll
            for (int t = 1; t <= HALF; t++) {
                const int q = k * t % P;
                const R cosine = w[q <= HALF ? q : P - q].re, sine = q <= HALF ? w[q].im : -w[P - q].im;
                a = a + scaled(sum[t], cosine);
                b = b + scaled(difference[t], sine);
            }
            v[k] = a + times_i(b);
            v[P - k] = a - times_i(b);
        }
    }
};
template <class R> struct Butterfly<2, R> {
    static __device__ __forceinline__ void run(Complex<R>* v, const Complex<R>*) {
        const Complex<R> a = v[0];
        v[0] = a + v[1];
        v[1] = a - v[1];
    }
};
template <class R> struct Butterfly<4, R> {
    static __device__ __forceinline__ void run(Complex<R>* v, const Complex<R>*) {
        const Complex<R> a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = times_i(v[1] - v[3]);
        v[0] = a + c, v[1] = b - d, v[2] = a - c, v[3] = b + d;
    }
};
template <class R> struct Butterfly<8, R> {
    static __device__ __forceinline__ void run(Complex<R>* v, const Complex<R>*) {
        const R h = R(0.70710678118654752440);
        Complex<R> even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], v[3], v[5], v[7]};
        Butterfly<4, R>::run(even, nullptr);
        Butterfly<4, R>::run(odd, nullptr);
        odd[1] = Complex<R>((odd[1].re + odd[1].im) * h, (odd[1].im - odd[1].re) * h);
        odd[2] = Complex<R>(odd[2].im, -odd[2].re);
        odd[3] = Complex<R>((odd[3].im - odd[3].re) * h, -(odd[3].re + odd[3].im) * h);
#pragma unroll
        for (int k = 0; k < 4; k++) v[k] = even[k] + odd[k], v[k + 4] = even[k] - odd[k];
    }
};

// ---- a pass ----
// A step within shared memory: `count` butterflies of a column; `done` is the product of the radices before.
struct FftStage {
    int radix, count, done, step;   // step = size / (radix * done)
    Divisor fast, by_done;
};
// Columns are the transforms of `size` points of a pass. Element t of column (line, c) is read at line * ahead * size +
// t * ahead + c and written at the same place but that c counts whole blocks of `behind` elements, each `size` times as far.
template <class R> struct FftPass {
    int size, columns, tile;               // a block has `tile` columns at a time
    int element_stride, column_stride;     // in shared memory
    int conjugate_in, conjugate_out, flip; // flip: of half lines, conjugated
    unsigned turn;                         // of what the points are turned by before; 0: not
    Divisor fast, ahead, behind, inner, half;
    R scale;
    int stages;
    FftStage stage[FFT_STAGES];
};

template <int P, class R>
__device__ __forceinline__ void run_stage(const Complex<R>* from, Complex<R>* to, const Complex<R>* roots, const FftPass<R>& p, const FftStage& s) {
    auto root = [&](int x) { return x <= p.size - x ? roots[x] : mirrored(roots[p.size - x]); };
    const bool side_by_side = p.element_stride == 1;
    Complex<R> w[P / 2 + 1];
    if constexpr (P % 2 == 1) {
#pragma unroll
        for (int q = 1; q <= P / 2; q++) w[q] = roots[q * (p.size / P)];
    }
    for (int item = threadIdx.x; item < p.tile * s.count; item += 256) {
        const int slow = s.fast.divide(item), fast = item - slow * (int)s.fast.by;
        const int b = side_by_side ? fast : slow, at = (side_by_side ? slow : fast) * p.column_stride;
        Complex<R> v[P];
#pragma unroll
        for (int t = 0; t < P; t++) v[t] = from[padded<R>(at + (b + t * s.count) * p.element_stride)];
        const int k = b - s.by_done.divide(b) * s.done;
        if (s.done > 1) {
#pragma unroll
            for (int t = 1; t < P; t++) v[t] = v[t] * root(k * t * s.step);
        }
        Butterfly<P, R>::run(v, w);
        const int first = (b - k) * P + k;
#pragma unroll
        for (int t = 0; t < P; t++) to[padded<R>(at + (first + t * s.done) * p.element_stride)] = v[t];
    }
}

// The point k of real numbers from the transform of them taken in pairs as complex ones: points k and h - k of its h.
RN_C Complex<R> of_pairs(Complex<R> a, Complex<R> b, int k, int h) {
    b = mirrored(b);
    const Complex<R> even = a + b, odd = times_i((a - b) * root_of_one<R>(k, 2u * h));
    return scaled(even - odd, R(0.5));
}

template <int KIND, class R>
__device__ __forceinline__ void fft_pass(R* y, const R* x, const FftPass<R>& p) {
    constexpr int POINTS = FFT_POINTS<R>, ROOM = POINTS + POINTS / (sizeof(R) == 4 ? 16 : 8);
    __shared__ Complex<R> a[ROOM];
    __shared__ Complex<R> b[ROOM];
    __shared__ Complex<R> roots[POINTS / 2 + 1];
    for (int q = threadIdx.x; q <= p.size / 2; q += 256) roots[q] = root_of_one<R>(q, p.size);
    const bool side_by_side = p.element_stride == 1;
    const int points = p.tile * p.size;
    for (long long tile = blockIdx.x; tile * p.tile < p.columns; tile += gridDim.x) {
        const int start = (int)tile * p.tile;
        __syncthreads();
        for (int i = threadIdx.x; i < points; i += 256) {
            const int slow = p.fast.divide(i), fast = i - slow * (int)p.fast.by;
            const int t = side_by_side ? fast : slow, local = side_by_side ? slow : fast, column = start + local;
            if (column >= p.columns) continue;
            const int line = p.ahead.divide(column), c = column - line * (int)p.ahead.by, place = t * (int)p.ahead.by + c;
            Complex<R> z;
            if constexpr (KIND == FFT_FROM_HALF) {
                const int h = (int)p.ahead.by * p.size;
                z = mirrored(load_point(x, (long long)line * (h + 1) + place), p.flip);
                Complex<R> other = mirrored(load_point(x, (long long)line * (h + 1) + h - place), !p.flip);
                // Points that are their own mirror image are real.
                if (place == 0) z.im = other.im = R(0);
                z = z + other + times_i((z - other) * mirrored(root_of_one<R>(place, 2u * h)));
            } else {
                z = load_point(x, (long long)line * (int)p.ahead.by * p.size + place);
            }
            z = mirrored(z, p.conjugate_in);
            if (p.turn) {
                const int k = p.inner.divide(c - p.behind.divide(c) * (int)p.behind.by);
                z = z * root_of_one<R>((unsigned)k * (unsigned)t, p.turn);
            }
            a[padded<R>(t * p.element_stride + local * p.column_stride)] = z;
        }
        __syncthreads();
        Complex<R>* from = a;
        Complex<R>* to = b;
        for (int s = 0; s < p.stages; s++) {
            const FftStage& stage = p.stage[s];
            switch (stage.radix) {
                case 2: run_stage<2>(from, to, roots, p, stage); break;
                case 3: run_stage<3>(from, to, roots, p, stage); break;
                case 4: run_stage<4>(from, to, roots, p, stage); break;
                case 5: run_stage<5>(from, to, roots, p, stage); break;
                case 7: run_stage<7>(from, to, roots, p, stage); break;
                case 8: run_stage<8>(from, to, roots, p, stage); break;
                case 11: run_stage<11>(from, to, roots, p, stage); break;
                default: run_stage<13>(from, to, roots, p, stage);
            }
            __syncthreads();
            Complex<R>* const other = from;
            from = to;
            to = other;
        }
        if constexpr (KIND == FFT_TO_HALF) {
            // Lines are contiguous, and a pass has all of one.
            for (int i = threadIdx.x; i < points + p.tile; i += 256) {
                const int local = p.half.divide(i), k = i - local * (int)p.half.by, column = start + local;
                if (column >= p.columns) continue;
                auto point = [&](int k) { return from[padded<R>((k == p.size ? 0 : k) * p.element_stride + local * p.column_stride)]; };
                const Complex<R> z = of_pairs(point(k), point(p.size - k), k, p.size);
                store_point(y, (long long)column * (p.size + 1) + k, scaled(mirrored(z, p.conjugate_out), p.scale));
            }
        } else {
            for (int i = threadIdx.x; i < points; i += 256) {
                const int slow = p.fast.divide(i), fast = i - slow * (int)p.fast.by;
                const int t = side_by_side ? fast : slow, local = side_by_side ? slow : fast, column = start + local;
                if (column >= p.columns) continue;
                const int line = p.ahead.divide(column), c = column - line * (int)p.ahead.by, block = p.behind.divide(c);
                const long long at = (long long)line * (int)p.ahead.by * p.size + (c + block * (int)p.behind.by * (p.size - 1)) + t * (int)p.behind.by;
                const Complex<R> z = from[padded<R>(t * p.element_stride + local * p.column_stride)];
                store_point(y, at, scaled(mirrored(z, p.conjugate_out), p.scale));
            }
        }
    }
}

// ---- half of a line and the whole ----
// Lines of `half` = h + 1 points from the transforms of h pairs.
template <class R>
__device__ __forceinline__ void fft_of_pairs(R* y, const R* x, int n, Divisor half, int conjugate, R scale) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const int line = half.divide(i), h = (int)half.by - 1, k = i - line * (h + 1);
    const long long first = (long long)line * h;
    const Complex<R> z = of_pairs(load_point(x, first + (k == h ? 0 : k)), load_point(x, first + (k == 0 ? 0 : h - k)), k, h);
    store_point(y, i, scaled(mirrored(z, conjugate), scale));
}
// Whole lines with Hermitian symmetry from their first halves.
template <class R>
__device__ __forceinline__ void fft_mirror(R* y, const R* x, int n, Divisor size) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const int line = size.divide(i), whole = (int)size.by, k = i - line * whole, other = whole - k;
    Complex<R> z = mirrored(load_point(x, (long long)line * (whole / 2 + 1) + (k <= whole / 2 ? k : other)), k > whole / 2);
    if (k == 0 || k == other) z.im = R(0);
    store_point(y, i, z);
}

// ---- Bluestein: j k = (j^2 + k^2 - (k - j)^2) / 2 makes a convolution of a transform ----
template <class R> __device__ __forceinline__ Complex<R> chirp(int j, unsigned size) {
    return root_of_one<R>((unsigned)((unsigned long long)j * j % (2 * size)), 2 * size);
}
// Lines of `whole` points side by side: those of x, of which a line is `inner` apart, by the chirp, and zeros.
template <class R>
__device__ __forceinline__ void chirp_lines(R* y, const R* x, int n, Divisor whole, Divisor inner, int size, int conjugate) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const int line = whole.divide(i), j = i - line * (int)whole.by, outer = inner.divide(line);
    Complex<R> z(R(0), R(0));
    if (j < size) {
        const long long at = ((long long)outer * size + j) * (int)inner.by + (line - outer * (int)inner.by);
        z = mirrored(load_point(x, at), conjugate) * chirp<R>(j, size);
    }
    store_point(y, i, z);
}
// What they are convolved with.
template <class R> __device__ __forceinline__ void chirp_filter(R* y, int whole, int size) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= whole) return;
    const int j = i < whole - i ? i : whole - i;
    store_point(y, i, j < size ? mirrored(chirp<R>(j, size)) : Complex<R>(R(0), R(0)));
}
// Back to lines that are `inner` apart; `size` points of each.
template <class R>
__device__ __forceinline__ void chirp_results(R* y, const R* x, int n, Divisor points, Divisor inner, int whole, int conjugate, R scale) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const int rest = inner.divide(i), outer = points.divide(rest), k = rest - outer * (int)points.by;
    const long long line = (long long)outer * (int)inner.by + (i - rest * (int)inner.by);
    const Complex<R> z = load_point(x, line * whole + k) * chirp<R>(k, (unsigned)points.by);
    store_point(y, i, scaled(mirrored(z, conjugate), scale));
}
}  // namespace rn
