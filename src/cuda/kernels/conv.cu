// Convolutions in up to three dimensions, as products of matrices that are never written: images are read through
// windows. A window reads along each axis (depth, rows, columns) the places start + j * step + t * tap_step for result j
// and tap t, which is nothing where it lies outside. The output of a convolution is that with taps that go forward; the
// gradient of its input is that with taps that go backward, for each remainder of places modulo the stride.
namespace rn {
struct Window {
    long long image, channel;     // elements of an image and of a channel that is read
    long long result, plane;      // elements of an image and of a channel that is written
    long long group;              // elements of the channels of a group that is written
    long long all;                // elements of all images that are written
    int size[3];                  // of what is read
    int start[3], step[3], tap_step[3];
    int first[3], every[3];       // result j is written at first + j * every
    int written[3];               // sizes of what is written
    int row_step[3], scatters;    // see ImagesOut
    Divisor results[3], taps[3], row_taps[3];   // along each axis
    int columns;                  // images times results
    int rows, depth;              // of a group: channels that are written; channels that are read times taps
    int part, parts;              // of the depth
    int vectors;
};

// Where the places lie in a channel; negative if they are outside.
__device__ __forceinline__ long long inside(const Window& w, const Places& a, const Places& b) {
    const int z = a.of[0] + b.of[0], y = a.of[1] + b.of[1], x = a.of[2] + b.of[2];
    const bool in = (unsigned)z < (unsigned)w.size[0] && (unsigned)y < (unsigned)w.size[1] && (unsigned)x < (unsigned)w.size[2];
    return in ? ((long long)z * w.size[1] + y) * w.size[2] + x : -1;
}
// Where windows of a result begin, and how far a tap is from there.
__device__ __forceinline__ int begin_of(const Window& w, int j, Places& p) {
    const int n = split(w.results, j, p);
#pragma unroll
    for (int axis = 0; axis < 3; axis++) p.of[axis] = w.start[axis] + p.of[axis] * w.step[axis];
    return n;
}
__device__ __forceinline__ int tap_of(const Window& w, int k, Places& p) {
    const int c = split(w.taps, k, p);
#pragma unroll
    for (int axis = 0; axis < 3; axis++) p.of[axis] *= w.tap_step[axis];
    return c;
}

// Positions are results, depths are channels and taps.
template <class E> struct Images {
    static constexpr bool BY_DEPTH = false, VECTORS = false;
    typedef E Element;
    struct Position { const E* image; Places begin; };
    struct Depth { long long channel; Places tap; };
    const E* start;
    const Window& w;
    __device__ __forceinline__ Position position(int j) const {
        Position p{nullptr, {0, 0, 0}};
        if (j < w.columns) p.image = start + begin_of(w, j, p.begin) * w.image;
        return p;
    }
    __device__ __forceinline__ Depth depth(int k, int end) const {
        Depth d{-1, {0, 0, 0}};
        if (k < end) d.channel = tap_of(w, k, d.tap) * w.channel;
        return d;
    }
    __device__ __forceinline__ E get(const Position& p, const Depth& d) const {
        const long long at = inside(w, p.begin, d.tap);
        return p.image && d.channel >= 0 && at >= 0 ? p.image[d.channel + at] : E{};
    }
};

// Rows are channels, or channels and taps where windows do not overlap: then each tap is written at a place of its own.
template <class O, class E> struct ImagesOut {
    O* start;
    const E* bias;
    const Window& w;
    struct Column { O* image; Places at; };
    __device__ __forceinline__ Column column(int j) const {
        Column c{nullptr, {0, 0, 0}};
        if (j >= w.columns) return c;
        c.image = start + split(w.results, j, c.at) * w.result;
#pragma unroll
        for (int axis = 0; axis < 3; axis++) c.at.of[axis] = w.first[axis] + c.at.of[axis] * w.every[axis];
        return c;
    }
    template <class T> __device__ __forceinline__ void write(const Column& c, int i, T value) const {
        if (!c.image || i >= w.rows) return;
        if (bias) value = value + convert<T>(bias[i]);
        Places p = c.at;
        if (w.scatters) {
            Places tap;
            i = split(w.row_taps, i, tap);
#pragma unroll
            for (int axis = 0; axis < 3; axis++) p.of[axis] += tap.of[axis] * w.row_step[axis];
            const bool in = (unsigned)p.of[0] < (unsigned)w.written[0] && (unsigned)p.of[1] < (unsigned)w.written[1]
                && (unsigned)p.of[2] < (unsigned)w.written[2];
            if (!in) return;
        }
        c.image[i * w.plane + ((long long)p.of[0] * w.written[1] + p.of[1]) * w.written[2] + p.of[2]] = convert<O>(value);
    }
};

// y[n][row][result] of a group (blockIdx.z) and a part of the depth (blockIdx.y): kernel has a row of channels and taps
// for each row of every group.
template <bool MMA, int R, class T, class E, class O>
__device__ __forceinline__ void convolve(O* y, const E* x, const E* kernel, const E* bias, Window w) {
    const int group = blockIdx.z, begin = blockIdx.y * w.part, end = begin + w.part < w.depth ? begin + w.part : w.depth;
    const int channels = w.depth / (int)(w.taps[0].by * w.taps[1].by * w.taps[2].by);
    const Matrix<E, true> left{kernel + (long long)group * w.rows * w.depth, w.depth, 1, w.rows, w.vectors != 0};
    const Images<E> right{x + group * channels * w.channel, w};
    const ImagesOut<O, E> out{y + blockIdx.y * w.all + group * w.group, bias ? bias + group * w.rows : nullptr, w};
    const Tile tile = find_tile(blockIdx.x, (w.rows + 16 * R - 1) / (16 * R), (w.columns + 16 * R - 1) / (16 * R));
    product<MMA, R, T, E>(left, right, out, tile, begin, end);
}

// The same where a group has few rows, as in depthwise convolutions: a thread has a result of ROWS rows. blockIdx.y is the
// group, blockIdx.z the rows.
template <int ROWS, class T, class E>
__device__ __forceinline__ void convolve_few(E* y, const E* x, const E* kernel, const E* bias, Window w) {
    const int j = blockIdx.x * 256 + threadIdx.x, group = blockIdx.y, row = blockIdx.z * ROWS;
    if (j >= w.columns) return;
    Places begin;
    const int n = begin_of(w, j, begin);
    const int t0 = w.taps[0].by, t1 = w.taps[1].by, t2 = w.taps[2].by, channels = w.depth / (t0 * t1 * t2);
    const E* from = x + n * w.image + group * channels * w.channel;
    const E* weights = kernel + ((long long)group * w.rows + row) * w.depth;
    T sum[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) sum[i] = T(0.0);
    for (int c = 0; c < channels; c++, from += w.channel) {
        for (int a = 0; a < t0; a++) {
            const int z = begin.of[0] + a * w.tap_step[0];
            for (int b = 0; b < t1; b++) {
                const int v = begin.of[1] + b * w.tap_step[1];
                const bool in = (unsigned)z < (unsigned)w.size[0] && (unsigned)v < (unsigned)w.size[1];
                const E* line = from + ((long long)z * w.size[1] + v) * w.size[2];
                for (int d = 0; d < t2; d++, weights++) {
                    const int u = begin.of[2] + d * w.tap_step[2];
                    if (!in || (unsigned)u >= (unsigned)w.size[2]) continue;
                    const T value = convert<T>(line[u]);
#pragma unroll
                    for (int i = 0; i < ROWS; i++)
                        if (row + i < w.rows) sum[i] = sum[i] + value * convert<T>(weights[(long long)i * w.depth]);
                }
            }
        }
    }
    const ImagesOut<E, E> out{y + group * w.group, bias ? bias + group * w.rows : nullptr, w};
    const typename ImagesOut<E, E>::Column column = out.column(j);
#pragma unroll
    for (int i = 0; i < ROWS; i++) out.write(column, row + i, sum[i]);
}

// ---- the gradient of the weight: positions are channels and taps, depths are results of all images ----
template <class E> struct Patches {
    static constexpr bool BY_DEPTH = true, VECTORS = false;
    typedef E Element;
    struct Position { const E* channel; Places tap; };
    struct Depth { long long image; Places begin; };
    const E* start;
    const Window& w;
    __device__ __forceinline__ Position position(int k) const {
        Position p{nullptr, {0, 0, 0}};
        if (k < w.depth) p.channel = start + tap_of(w, k, p.tap) * w.channel;
        return p;
    }
    __device__ __forceinline__ Depth depth(int j, int end) const {
        Depth d{-1, {0, 0, 0}};
        if (j < end) d.image = begin_of(w, j, d.begin) * w.image;
        return d;
    }
    __device__ __forceinline__ E get(const Position& p, const Depth& d) const {
        const long long at = inside(w, p.tap, d.begin);
        return p.channel && d.image >= 0 && at >= 0 ? p.channel[d.image + at] : E{};
    }
};

// Positions are channels of the output.
template <class E> struct Slopes {
    static constexpr bool BY_DEPTH = true, VECTORS = false;
    typedef E Element;
    typedef const E* Position;
    typedef long long Depth;
    const E* start;
    const Window& w;
    Divisor plane;
    __device__ __forceinline__ Position position(int i) const { return i < w.rows ? start + i * w.plane : nullptr; }
    __device__ __forceinline__ Depth depth(int j, int end) const {
        if (j >= end) return -1;
        const int n = plane.divide(j);
        return n * w.result + (j - n * (int)plane.by);
    }
    __device__ __forceinline__ E get(Position p, Depth d) const { return p && d >= 0 ? p[d] : E{}; }
};

// gw[row][channel and tap] of a group (blockIdx.z) and a part of the results (blockIdx.y).
template <bool MMA, int R, class T, class E, class O>
__device__ __forceinline__ void convolve_weight(O* gw, const E* gy, const E* x, Divisor plane, Window w) {
    const int group = blockIdx.z, begin = blockIdx.y * w.part, end = begin + w.part < w.columns ? begin + w.part : w.columns;
    const int channels = w.depth / (int)(w.taps[0].by * w.taps[1].by * w.taps[2].by);
    const Slopes<E> left{gy + (long long)group * w.rows * w.plane, w, plane};
    const Patches<E> right{x + group * channels * w.channel, w};
    const MatrixOut<O, E> out{gw + ((long long)blockIdx.y * gridDim.z + group) * w.rows * w.depth, nullptr, 0, 0, w.rows, w.depth, w.depth, false};
    const Tile tile = find_tile(blockIdx.x, (w.rows + 16 * R - 1) / (16 * R), (w.depth + 16 * R - 1) / (16 * R));
    product<MMA, R, T, E>(left, right, out, tile, begin, end);
}

// The same where groups have few rows and few channels: a block sums for one element (blockIdx.x) over a part of the
// results (blockIdx.y).
template <class T, class E, class O>
__device__ __forceinline__ void convolve_weight_few(O* gw, const E* gy, const E* x, Divisor plane, Window w) {
    const int row = blockIdx.x / w.depth, k = blockIdx.x % w.depth, group = row / w.rows;
    const int channels = w.depth / (int)(w.taps[0].by * w.taps[1].by * w.taps[2].by);
    const int begin = blockIdx.y * w.part, end = begin + w.part < w.columns ? begin + w.part : w.columns;
    const Patches<E> patches{x + group * channels * w.channel, w};
    const typename Patches<E>::Position position = patches.position(k);
    const E* slopes = gy + row * w.plane;
    T sum = T(0.0);
    for (int j = begin + threadIdx.x; j < end; j += 256) {
        const int n = plane.divide(j);
        const T g = convert<T>(slopes[n * w.result + (j - n * (int)plane.by)]);
        sum = sum + g * convert<T>(patches.get(position, patches.depth(j, end)));
    }
    sum = combine_group<SUM, 256>(sum);
    if (threadIdx.x == 0) gw[(long long)blockIdx.y * gridDim.x + blockIdx.x] = convert<O>(sum);
}
}  // namespace rn
