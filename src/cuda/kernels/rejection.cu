// Numbers of distributions that are drawn by rejection, in double precision: the twins of ops::distributions, where the
// methods have their sources. Comes behind random.cu.
namespace rn {

// One number after the other of a thread's part of the stream.
struct Numbers {
    Stream stream;
    Drawn<double, 2> pair;
    bool second;
    __device__ __forceinline__ Numbers(Place from, unsigned long long thread) : stream(from, thread), second(false) {}
    __device__ __forceinline__ double uniform() {   // on (0, 1]
        second = !second;
        if (!second) return pair.v[1];
        pair = uniform_of(stream.next(), 0.0);
        return pair.v[0];
    }
    __device__ __forceinline__ double normal() { return normal_of(stream.next(), 0.0).v[0]; }
};

__device__ inline double poisson(double mean, double, Numbers& numbers) {
    if (mean == 0) return 0;
    if (is_nan(mean) || mean < 0) return 0.0 / (mean - mean);
    if (mean < 10) {
        const double limit = exp(-mean);
        double count = 0, product = numbers.uniform();
        while (product > limit) {
            count += 1;
            product *= numbers.uniform();
        }
        return count;
    }
    const double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b, inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), bound = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const double u = numbers.uniform() - 0.5, v = numbers.uniform(), us = 0.5 - abs(u), k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= bound) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        // An infinite mean has no draws to compare with.
        if (is_inf(mean) || log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= k * log(mean) - mean - lgamma(k + 1)) return k;
    }
}

__device__ inline double gamma(double shape, double, Numbers& numbers) {
    if (shape == 0) return 0;
    if (is_nan(shape) || shape < 0) return 0.0 / (shape - shape);
    const double scale = shape < 1 ? ::pow(numbers.uniform(), 1 / shape) : 1, d = (shape < 1 ? shape + 1 : shape) - (double)(1.0f / 3.0f);
    for (;;) {
        const double x = numbers.normal(), y = 1 + x / sqrt(9 * d);
        if (y <= 0) continue;
        const double v = y * y * y, u = numbers.uniform(), square = x * x;
        if (u < 1 - 0.0331 * square * square || log(u) < 0.5 * square + d * (1 - v + log(v))) return scale * d * v;
    }
}

// ln k! - (k + 1/2) ln(k + 1) + (k + 1) - ln(2 pi) / 2.
__device__ inline double stirling_tail(double k) {
    if (k <= 9) return lgamma(k + 1) - (k + 0.5) * log(k + 1) + (k + 1) - 0.91893853320467274178;
    const double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}
__device__ inline double binomial(double count, double p, Numbers& numbers) {
    if (is_nan(count) || is_nan(p)) return count + p;
    if (count <= 0 || p <= 0) return 0;
    if (p >= 1 || is_inf(count)) return count;
    const bool turned = p > 0.5;
    if (turned) p = 1 - p;
    double k = 0;
    if (count * p < 10) {
        const double scale = log1p(-p);
        for (double total = ceil(log(numbers.uniform()) / scale); total <= count; total += ceil(log(numbers.uniform()) / scale)) k += 1;
        return turned ? count - k : k;
    }
    const double deviation = sqrt(count * p * (1 - p)), b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5;
    const double bound = 0.92 - 4.2 / b, odds = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation, m = floor((count + 1) * p);
    for (;;) {
        const double u = numbers.uniform() - 0.5, v = numbers.uniform(), us = 0.5 - abs(u);
        k = floor((2 * a / us + b) * u + c);
        if (us >= 0.07 && v <= bound) break;
        if (k < 0 || k > count) continue;
        const double limit = (m + 0.5) * log((m + 1) / (odds * (count - m + 1))) + (count + 1) * log((count - m + 1) / (count - k + 1)) + (k + 0.5) * log(odds * (count - k + 1) / (k + 1)) + stirling_tail(m) + stirling_tail(count - m) - stirling_tail(k) - stirling_tail(count - k);
        if (log(v * alpha / (a / (us * us) + b)) <= limit) break;
    }
    return turned ? count - k : k;
}

enum Rejection { POISSON, GAMMA, BINOMIAL };

// Elements of the parameters a (and b, for some) become numbers of the distribution.
template <int DISTRIBUTION, class O, class A> __device__ __forceinline__ void draw_by_rejection(O* out, const A* a, const A* b, long long n, Place from) {
    const long long first = (long long)blockIdx.x * 256 + threadIdx.x;
    Numbers numbers(from, first);
    for (long long i = first; i < n; i += (long long)gridDim.x * 256) {
        const double x = convert<double>(a[i]), y = DISTRIBUTION == BINOMIAL ? convert<double>(b[i]) : 0;
        out[i] = convert<O>(DISTRIBUTION == POISSON ? poisson(x, y, numbers) : DISTRIBUTION == GAMMA ? gamma(x, y, numbers) : binomial(x, y, numbers));
    }
}
}  // namespace rn
