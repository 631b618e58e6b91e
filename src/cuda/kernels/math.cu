// The functions that formulas of the table may call: the twins of cpu::math. A formula that calls a function which is
// not here has no kernel for GPUs (cuda::formula looks for its name in this text).
namespace rn {
#define RN_F template <class R> __device__ __forceinline__
#define RN_BY_LIBRARY(name, single, twice) \
    __device__ __forceinline__ float name(float x) { return single(x); } \
    __device__ __forceinline__ double name(double x) { return twice(x); }
#define RN_BY_LIBRARY_2(name, single, twice) \
    __device__ __forceinline__ float name(float x, float y) { return single(x, y); } \
    __device__ __forceinline__ double name(double x, double y) { return twice(x, y); }

// ---- real numbers ----
RN_BY_LIBRARY(abs, ::fabsf, ::fabs)
RN_BY_LIBRARY(floor, ::floorf, ::floor)
RN_BY_LIBRARY(ceil, ::ceilf, ::ceil)
RN_BY_LIBRARY(trunc, ::truncf, ::trunc)
RN_BY_LIBRARY(round, ::rintf, ::rint)
RN_BY_LIBRARY(sqrt, ::sqrtf, ::sqrt)
RN_BY_LIBRARY(exp, ::expf, ::exp)
RN_BY_LIBRARY(exp2, ::exp2f, ::exp2)
RN_BY_LIBRARY(expm1, ::expm1f, ::expm1)
RN_BY_LIBRARY(log, ::logf, ::log)
RN_BY_LIBRARY(log2, ::log2f, ::log2)
RN_BY_LIBRARY(log10, ::log10f, ::log10)
RN_BY_LIBRARY(log1p, ::log1pf, ::log1p)
RN_BY_LIBRARY(sin, ::sinf, ::sin)
RN_BY_LIBRARY(cos, ::cosf, ::cos)
RN_BY_LIBRARY(tan, ::tanf, ::tan)
RN_BY_LIBRARY(asin, ::asinf, ::asin)
RN_BY_LIBRARY(acos, ::acosf, ::acos)
RN_BY_LIBRARY(atan, ::atanf, ::atan)
RN_BY_LIBRARY(sinh, ::sinhf, ::sinh)
RN_BY_LIBRARY(cosh, ::coshf, ::cosh)
RN_BY_LIBRARY(tanh, ::tanhf, ::tanh)
RN_BY_LIBRARY(asinh, ::asinhf, ::asinh)
RN_BY_LIBRARY(acosh, ::acoshf, ::acosh)
RN_BY_LIBRARY(atanh, ::atanhf, ::atanh)
RN_BY_LIBRARY(erf, ::erff, ::erf)
RN_BY_LIBRARY(erfc, ::erfcf, ::erfc)
RN_BY_LIBRARY(lgamma, ::lgammaf, ::lgamma)
RN_BY_LIBRARY(bessel_j0, ::j0f, ::j0)
RN_BY_LIBRARY(bessel_j1, ::j1f, ::j1)
RN_BY_LIBRARY(bessel_y0, ::y0f, ::y0)
RN_BY_LIBRARY(bessel_y1, ::y1f, ::y1)
RN_BY_LIBRARY_2(atan2, ::atan2f, ::atan2)
RN_BY_LIBRARY_2(hypot, ::hypotf, ::hypot)
RN_BY_LIBRARY_2(copysign, ::copysignf, ::copysign)
RN_BY_LIBRARY_2(fmod, ::fmodf, ::fmod)
RN_BY_LIBRARY_2(next_after, ::nextafterf, ::nextafter)
RN_BY_LIBRARY_2(library_pow, ::powf, ::pow)

RN_F R conj(R x) { return x; }
RN_F R zero(R) { return R(0.0); }
RN_F R zero_of(R) { return R(0.0); }
RN_F R select(bool condition, R a, R b) { return condition ? a : b; }
RN_F bool eq(R a, R b) { return a == b; }
RN_F bool lt(R a, R b) { return a < b; }
RN_F bool le(R a, R b) { return a <= b; }
RN_F bool gt(R a, R b) { return a > b; }
RN_F bool ge(R a, R b) { return a >= b; }
RN_F bool nonzero(R a) { return a != R(0.0); }
RN_F bool is_nan(R a) { return a != a; }
RN_F bool is_inf(R a) { return a == a && a - a != a - a; }
RN_F bool is_finite(R a) { return a - a == a - a; }
RN_F bool is_small(R a) { return abs(a) < R(0.5); }
RN_F bool is_nonnegative(R a) { return a >= R(0.0); }
__device__ __forceinline__ bool sign_bit(float x) { return __float_as_int(x) < 0; }
__device__ __forceinline__ bool sign_bit(double x) { return __double_as_longlong(x) < 0; }
RN_F R quotient(R a, R b) { return a / b; }
RN_F R over_modulus(R a, R b) { return b == R(0.0) ? R(0.0) : a / b; }
RN_F R positive_part(R a) { return a <= R(0.0) ? R(0.0) : a; }   // NaN stays
RN_F R sign(R a) { return R((double)(a > R(0.0)) - (double)(a < R(0.0))); }
RN_F R maximum(R a, R b) { return a > b || a != a ? a : b; }
RN_F R minimum(R a, R b) { return a < b || a != a ? a : b; }
RN_F R fmax(R a, R b) { return a >= b || b != b ? a : b; }
RN_F R fmin(R a, R b) { return a <= b || b != b ? a : b; }
RN_F R heaviside(R a, R b) { return a == R(0.0) ? b : R((double)(a > R(0.0))); }
RN_F R above(R x, R threshold, R value) { return x <= threshold ? value : x; }
RN_F R sigmoid(R x) { return R(1.0) / (R(1.0) + exp(-x)); }
RN_F R trunc_divide(R a, R b) { return trunc(a / b); }
RN_F R floor_divide(R a, R b) {
    if (b == R(0)) return a / b;
    R m = fmod(a, b), q = (a - m) / b;
    if (m != R(0) && (b < R(0)) != (m < R(0))) q -= R(1);
    if (q == R(0)) return copysign(R(0), a / b);
    R down = floor(q);
    return q - down > R(0.5) ? down + R(1) : down;
}
RN_F R remainder(R a, R b) {
    R m = fmod(a, b);
    return m != R(0) && (b < R(0)) != (m < R(0)) ? m + b : m;
}
RN_F R pow(R a, R b) {
    if (b == R(2)) return a * a;
    if (b == R(3)) return a * a * a;
    if (b == R(0.5)) return sqrt(a);
    return library_pow(a, b);
}
RN_F R xlogy(R a, R b) { return b != b ? b : a == R(0) ? R(0) : a * log(b); }
RN_F R xlog1py(R a, R b) { return b != b ? b : a == R(0) ? R(0) : a * log1p(b); }
RN_F R logaddexp(R a, R b) { return a == b && is_inf(a) ? a : maximum(a, b) + log1p(exp(-abs(a - b))); }
RN_F R logaddexp2(R a, R b) { return a == b && is_inf(a) ? a : maximum(a, b) + log1p(exp2(-abs(a - b))) * R(1.4426950408889634074); }
RN_F R sinc(R a) { R t = a * R(3.14159265358979323846); return t == R(0) ? R(1) : sin(t) / t; }
RN_F R sinc_slope(R a) { R t = a * R(3.14159265358979323846); return t == R(0) ? R(0) : (t * cos(t) - sin(t)) / (t * a); }
RN_F R angle(R a) { return a < R(0) ? R(3.14159265358979323846) : a * R(0); }
RN_F R logit(R a) { return log(a / (R(1) - a)); }
RN_F R log_sigmoid(R a) { return (a < R(0) ? a : R(0)) - log1p(exp(-abs(a))); }
RN_F R normal_cdf(R a) { return R(0.5) * erfc(a * R(-0.70710678118654752440)); }
RN_F R entr(R a) { return a != a ? a : a > R(0) ? -a * log(a) : a == R(0) ? R(0) : -R(1) / R(0); }
RN_F R nan_to_num(R a, R nan, R high, R low) { return a != a ? nan : !is_inf(a) ? a : a > R(0) ? high : low; }
__device__ __forceinline__ float binary_exponent(float a) { int e = 0; if (a == 0 || !is_finite(a)) return 0; ::frexpf(a, &e); return e; }
__device__ __forceinline__ double binary_exponent(double a) { int e = 0; if (a == 0 || !is_finite(a)) return 0; ::frexp(a, &e); return e; }
__device__ __forceinline__ float mantissa(float a) { int e; return a == 0 || !is_finite(a) ? a : ::frexpf(a, &e); }
__device__ __forceinline__ double mantissa(double a) { int e; return a == 0 || !is_finite(a) ? a : ::frexp(a, &e); }

// ---- integers ----
__device__ __forceinline__ bool is_nan(Int) { return false; }
__device__ __forceinline__ bool is_inf(Int) { return false; }
__device__ __forceinline__ bool sign_bit(Int a) { return a.v < 0; }
__device__ __forceinline__ Int abs(Int a) { return a.v < 0 ? -a : a; }
__device__ __forceinline__ Int floor(Int a) { return a; }
__device__ __forceinline__ Int ceil(Int a) { return a; }
__device__ __forceinline__ Int trunc(Int a) { return a; }
__device__ __forceinline__ Int round(Int a) { return a; }
__device__ __forceinline__ bool has_no_quotient(Int a, Int b) { return b.v == 0 || (b.v == -1 && a.v == -a.v); }
// Zero divisors are refused before the kernel runs. The lowest number over -1 wraps to itself.
__device__ __forceinline__ Int trunc_divide(Int a, Int b) { return b.v == 0 ? b : b.v == -1 ? -a : Int(a.v / b.v); }
__device__ __forceinline__ Int fmod(Int a, Int b) { return b.v == 0 ? b : b.v == -1 ? Int(0) : Int(a.v % b.v); }
__device__ __forceinline__ Int floor_divide(Int a, Int b) {
    Int rest = fmod(a, b);
    return b.v == 0 ? b : trunc_divide(a, b) - Int((long long)(rest.v != 0 && (rest.v < 0) != (b.v < 0)));
}
__device__ __forceinline__ Int remainder(Int a, Int b) {
    Int rest = fmod(a, b);
    return rest.v != 0 && (rest.v < 0) != (b.v < 0) ? rest + b : rest;
}
__device__ __forceinline__ Int shift_left(Int a, Int b) { return b.v >= 0 && b.v < 64 ? Int((long long)((unsigned long long)a.v << b.v)) : Int(0); }
__device__ __forceinline__ Int shift_right(Int a, Int b) { return a.v >> (b.v >= 0 && b.v < 64 ? b.v : 63); }
__device__ __forceinline__ Int pow(Int a, Int b) {
    if (b.v < 0) return a.v == 1 ? Int(1) : a.v == -1 ? Int(b.v % 2 == 0 ? 1 : -1) : Int(0);
    Int power(1);
    for (long long e = b.v; e > 0; e >>= 1) {
        if (e & 1) power = power * a;
        a = a * a;
    }
    return power;
}
__device__ __forceinline__ Int gcd(Int a, Int b) {
    while (b.v != 0) { Int rest = fmod(a, b); a = b; b = rest; }
    return abs(a);
}
__device__ __forceinline__ Int lcm(Int a, Int b) {
    Int g = gcd(a, b);
    return g.v == 0 ? g : abs(trunc_divide(a, g) * b);
}

// ---- complex numbers ----
RN_C Complex<R> conj(Complex<R> a) { return {a.re, -a.im}; }
RN_C bool nonzero(Complex<R> a) { return a.re != 0 || a.im != 0; }
RN_C bool is_nan(Complex<R> a) { return is_nan(a.re) || is_nan(a.im); }
RN_C bool is_inf(Complex<R> a) { return is_inf(a.re) || is_inf(a.im); }
RN_C bool is_finite(Complex<R> a) { return is_finite(a.re) && is_finite(a.im); }
RN_C bool is_real(Complex<R> a) { return a.im == 0; }
RN_C bool is_small(Complex<R> a) { return a.re * a.re + a.im * a.im < R(0.25); }
RN_C bool is_nonnegative(Complex<R> a) { return a.im == 0 && a.re >= 0; }
RN_C Complex<R> modulus(Complex<R> a) { return {hypot(a.re, a.im), 0}; }
RN_C Complex<R> over_modulus(Complex<R> a, Complex<R> b) { return b.re == 0 ? b : Complex<R>(a.re / b.re, a.im / b.re); }
RN_C Complex<R> times_i(Complex<R> a) { return {-a.im, a.re}; }
RN_C Complex<R> exp(Complex<R> a) {
    R size = exp(a.re);
    if (a.im == 0) return {size, a.im};
    return {size * cos(a.im), size * sin(a.im)};
}
RN_C Complex<R> log(Complex<R> a) { return {log(hypot(a.re, a.im)), atan2(a.im, a.re)}; }
RN_C Complex<R> sqrt(Complex<R> a) {
    if (a.re == 0 && a.im == 0) return {0, a.im};
    R size = hypot(a.re, a.im), half = sqrt((size + abs(a.re)) * R(0.5)), other = a.im / (half + half);
    if (a.re >= 0) return {half, other};
    return {abs(other), copysign(half, a.im)};
}
RN_C Complex<R> exp2(Complex<R> a) { return exp(a * Complex<R>(0.693147180559945309417)); }
RN_C Complex<R> expm1(Complex<R> a) { return exp(a) - Complex<R>(1.0); }
RN_C Complex<R> log1p(Complex<R> a) { return log(a + Complex<R>(1.0)); }
RN_C Complex<R> log2(Complex<R> a) { Complex<R> l = log(a); return {l.re / R(0.693147180559945309417), l.im / R(0.693147180559945309417)}; }
RN_C Complex<R> log10(Complex<R> a) { Complex<R> l = log(a); return {l.re / R(2.302585092994045684018), l.im / R(2.302585092994045684018)}; }
RN_C Complex<R> sin(Complex<R> a) { return {sin(a.re) * cosh(a.im), cos(a.re) * sinh(a.im)}; }
RN_C Complex<R> cos(Complex<R> a) { return {cos(a.re) * cosh(a.im), -(sin(a.re) * sinh(a.im))}; }
RN_C Complex<R> sinh(Complex<R> a) { return {sinh(a.re) * cos(a.im), cosh(a.re) * sin(a.im)}; }
RN_C Complex<R> cosh(Complex<R> a) { return {cosh(a.re) * cos(a.im), sinh(a.re) * sin(a.im)}; }
RN_C Complex<R> tanh(Complex<R> a) {
    if (abs(a.re) > R(20)) return {copysign(R(1), a.re), R(0) * a.im};   // the rest is below a last place
    R x = a.re + a.re, y = a.im + a.im, scale = cosh(x) + cos(y);
    return {sinh(x) / scale, sin(y) / scale};
}
RN_C Complex<R> tan(Complex<R> a) { Complex<R> t = tanh(Complex<R>(-a.im, a.re)); return {t.im, -t.re}; }
RN_C Complex<R> asinh(Complex<R> a) { return log(a + sqrt(a * a + Complex<R>(1.0))); }
RN_C Complex<R> asin(Complex<R> a) { Complex<R> t = log(sqrt(Complex<R>(1.0) - a * a) + times_i(a)); return {t.im, -t.re}; }
RN_C Complex<R> acos(Complex<R> a) {
    Complex<R> t = log(times_i(sqrt(Complex<R>(1.0) - a * a)) + a);
    return {t.im, -t.re};
}
RN_C Complex<R> atanh(Complex<R> a) {
    Complex<R> t = log(Complex<R>(1.0) + a) - log(Complex<R>(1.0) - a);
    return {t.re * R(0.5), t.im * R(0.5)};
}
RN_C Complex<R> atan(Complex<R> a) { Complex<R> t = atanh(times_i(a)); return {t.im, -t.re}; }
RN_C Complex<R> acosh(Complex<R> a) {
    Complex<R> p = sqrt(Complex<R>((a.re + 1) * R(0.5), a.im * R(0.5))), q = sqrt(Complex<R>((a.re - 1) * R(0.5), a.im * R(0.5))), l = log(p + q);
    return {l.re + l.re, l.im + l.im};
}
RN_C Complex<R> pow(Complex<R> a, Complex<R> b) {
    if (b.im == 0 && b.re == 2) return a * a;
    if (a.re == 0 && a.im == 0) return b.re == 0 && b.im == 0 ? Complex<R>(1.0) : b.re > 0 ? Complex<R>(0.0) : Complex<R>(R(0) / R(0), R(0) / R(0));
    return exp(b * log(a));
}
RN_C Complex<R> sinc(Complex<R> a) {
    Complex<R> t = a * Complex<R>(3.14159265358979323846);
    return nonzero(t) ? sin(t) / t : Complex<R>(1.0);
}
RN_C Complex<R> sinc_slope(Complex<R> a) {
    Complex<R> t = a * Complex<R>(3.14159265358979323846);
    return nonzero(t) ? (t * cos(t) - sin(t)) / (t * a) : Complex<R>(0.0);
}
RN_C Complex<R> logaddexp(Complex<R> a, Complex<R> b) {
    if (a == b && is_inf(a.re)) return a;
    Complex<R> high = a.re >= b.re ? a : b, low = a.re >= b.re ? b : a;
    return high + log1p(exp(low - high));
}
RN_C Complex<R> nan_to_num(Complex<R> a, Complex<R> nan, Complex<R> high, Complex<R> low) {
    return {nan_to_num(a.re, nan.re, high.re, low.re), nan_to_num(a.im, nan.re, high.re, low.re)};
}
}  // namespace rn
