// Sampling of images and volumes at the points of a grid: the twin of cpu::grid_sample. Along each axis a point meets one,
// two or four elements (taps), each with a weight and the weight's slope.
namespace rn {
enum Interpolation { LINEAR, NEAREST, CUBIC };
enum Beyond { ZEROS, BORDER, REFLECTION };

struct Sampling {
    int size[3];
    int channels, beyond, align_corners;
    long long volume, points;   // elements of a channel; points of an image
};

// An element that is met; its index is negative outside.
template <class T> struct Tap { int index; T weight, slope, second, third; };
template <int MODE> constexpr int taps_along = MODE == LINEAR ? 2 : MODE == NEAREST ? 1 : 4;

template <class T> __device__ __forceinline__ T clipped(T x, T last, T& slope) {
    if (x <= T(0.0)) { slope = T(0.0); return T(0.0); }
    if (x >= last) { slope = T(0.0); return last; }
    return x;
}
// A coordinate moved inside; `slope` is multiplied by the slope of that.
template <class T> __device__ __forceinline__ T moved_inside(const Sampling& s, T x, int size, T& slope) {
    const T last = T((double)(size - 1));
    if (s.beyond == ZEROS) return x;
    if (s.beyond == BORDER) return clipped(x, last, slope);
    const T low = s.align_corners ? T(0.0) : T(-0.5), span = s.align_corners ? last : T((double)size);
    if (span <= T(0.0)) { slope = T(0.0); return T(0.0); }
    const T from = abs(x - low), extra = fmod(from, span), flips = floor(from / span);
    if (x < low) slope = -slope;
    if (fmod(flips, T(2.0)) == T(0.0)) return clipped(extra + low, last, slope);
    slope = -slope;
    return clipped(span - extra + low, last, slope);
}
template <class T> __device__ __forceinline__ int index_in(T at, int size) {
    return at >= T(0.0) && at < T((double)size) ? (int)at : -1;   // not a number lies nowhere
}

template <int MODE, class T> __device__ __forceinline__ void find_taps(const Sampling& s, T coordinate, int axis, Tap<T>* taps) {
    const int size = s.size[axis];
    const T one = T(1.0), half = T(0.5), extent = T((double)(s.align_corners ? size - 1 : size)), scale = extent * half;
    T x = s.align_corners ? (coordinate + one) * half * extent : ((coordinate + one) * extent - one) * half;
    if constexpr (MODE == NEAREST) {
        T slope = one;
        taps[0] = {index_in(round(moved_inside(s, x, size, slope)), size), one, T(0.0), T(0.0), T(0.0)};
    } else if constexpr (MODE == LINEAR) {
        T slope = scale;
        x = moved_inside(s, x, size, slope);
        const T low = floor(x);
        taps[0] = {index_in(low, size), low + one - x, -slope, T(0.0), T(0.0)};
        taps[1] = {index_in(low + one, size), x - low, slope, T(0.0), T(0.0)};
    } else {
        const T low = floor(x), part = x - low, a = T(-0.75);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const T step = T((double)(k - 1)), distance = part - step, d = abs(distance), sign = distance < T(0.0) ? -one : one;
            T unused = one;
            Tap<T> tap;
            tap.index = index_in(trunc(moved_inside(s, low + step, size, unused)), size);
            // Cubic convolution (Keys, 1981), and the terms of its Taylor series.
            if (d <= one) {
                tap.weight = ((a + T(2.0)) * d - (a + T(3.0))) * d * d + one;
                tap.slope = sign * (T(3.0) * (a + T(2.0)) * d - T(2.0) * (a + T(3.0))) * d;
                tap.second = T(3.0) * (a + T(2.0)) * d - (a + T(3.0));
                tap.third = sign * (a + T(2.0));
            } else {
                tap.weight = ((a * d - T(5.0) * a) * d + T(8.0) * a) * d - T(4.0) * a;
                tap.slope = sign * ((T(3.0) * a * d - T(10.0) * a) * d + T(8.0) * a);
                tap.second = (T(3.0) * d - T(5.0)) * a;
                tap.third = sign * a;
            }
            tap.slope = tap.slope * scale;
            tap.second = tap.second * scale * scale;
            tap.third = tap.third * scale * scale * scale;
            taps[k] = tap;
        }
    }
}

// The taps of a point along all axes; an image has a depth of one.
template <int MODE, int DIMS, class T> struct PointTaps {
    static constexpr int N = taps_along<MODE>, DEEP = DIMS == 3 ? N : 1;
    Tap<T> z[DEEP], y[N], x[N];
    __device__ __forceinline__ PointTaps(const Sampling& s, const T* point) {
        if constexpr (DIMS == 3) find_taps<MODE>(s, point[2], 0, z);
        else z[0] = {0, T(1.0), T(0.0), T(0.0), T(0.0)};
        find_taps<MODE>(s, point[1], 1, y);
        find_taps<MODE>(s, point[0], 2, x);
    }
};

// y[n][c][point]. blockIdx.y shares the channels out.
template <int MODE, int DIMS, class T>
__device__ __forceinline__ void grid_sample(T* y, const T* x, const T* grid, Sampling s, long long n) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long image = i / s.points, point = i - image * s.points;
    const PointTaps<MODE, DIMS, T> taps(s, grid + i * DIMS);
    for (int c = blockIdx.y; c < s.channels; c += gridDim.y) {
        const T* from = x + (image * s.channels + c) * s.volume;
        T sum = T(0.0);
#pragma unroll
        for (int a = 0; a < taps.DEEP; a++)
#pragma unroll
            for (int b = 0; b < taps.N; b++)
#pragma unroll
                for (int d = 0; d < taps.N; d++) {
                    const bool in = taps.z[a].index >= 0 && taps.y[b].index >= 0 && taps.x[d].index >= 0;
                    const long long at = ((long long)taps.z[a].index * s.size[1] + taps.y[b].index) * s.size[2] + taps.x[d].index;
                    if (in) sum = sum + from[at] * (taps.z[a].weight * taps.y[b].weight * taps.x[d].weight);
                }
        y[(image * s.channels + c) * s.points + point] = sum;
    }
}

// What gy says about the input (zeros before; points meet, sums come in any order) and about the points. Null where it
// is not wanted.
template <int MODE, int DIMS, class T>
__device__ __forceinline__ void grid_sample_gradient(T* gx, T* ggrid, const T* x, const T* grid, const T* gy, Sampling s, long long n) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long image = i / s.points, point = i - image * s.points;
    const PointTaps<MODE, DIMS, T> taps(s, grid + i * DIMS);
    T slopes[3] = {T(0.0), T(0.0), T(0.0)};
    for (int c = 0; c < s.channels; c++) {
        const long long plane = (image * s.channels + c) * s.volume;
        const T g = gy[(image * s.channels + c) * s.points + point];
#pragma unroll
        for (int a = 0; a < taps.DEEP; a++)
#pragma unroll
            for (int b = 0; b < taps.N; b++)
#pragma unroll
                for (int d = 0; d < taps.N; d++) {
                    const Tap<T>&z = taps.z[a], &v = taps.y[b], &u = taps.x[d];
                    if (z.index < 0 || v.index < 0 || u.index < 0) continue;
                    const long long at = plane + ((long long)z.index * s.size[1] + v.index) * s.size[2] + u.index;
                    if (gx) atomicAdd(gx + at, g * (z.weight * v.weight * u.weight));
                    if (ggrid) {
                        const T value = g * x[at];
                        slopes[0] += value * (z.weight * v.weight * u.slope);
                        slopes[1] += value * (z.weight * v.slope * u.weight);
                        slopes[2] += value * (z.slope * v.weight * u.weight);
                    }
                }
    }
    if (ggrid) {
#pragma unroll
        for (int k = 0; k < DIMS; k++) ggrid[i * DIMS + k] = slopes[k];
    }
}

// A tap of each coordinate along an axis: the index that it meets and its weight's Taylor series, `terms` of it.
template <int MODE, class T>
__device__ __forceinline__ void grid_sample_series(long long* index, T* series, const T* at, Sampling s, int axis, int tap, int terms, long long n) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    Tap<T> taps[taps_along<MODE>];
    find_taps<MODE>(s, at[i], axis, taps);
#pragma unroll
    for (int k = 0; k < taps_along<MODE>; k++) {
        if (k != tap) continue;
        const bool in = taps[k].index >= 0;
        index[i] = in ? taps[k].index : 0;
        const T of[4] = {taps[k].weight, taps[k].slope, taps[k].second, taps[k].third};
#pragma unroll
        for (int t = 0; t < 4; t++)
            if (t < terms) series[t * n + i] = in ? of[t] : T(0.0);
    }
}
}  // namespace rn
