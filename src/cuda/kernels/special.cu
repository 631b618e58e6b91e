// Special functions in double precision: the twins of cpu::special, cpu::bessel and cpu::polynomial, where the formulas
// have their sources. Goes before formulas that call them, after the tables of coefficients (cuda::formula).
namespace rn {
constexpr double PI = 3.14159265358979323846, EULER = 0.577215664901532860607, TWO_OVER_ROOT_PI = 1.12837916709551257390, ROOT_2 = 1.41421356237309504880, ULP = 2.220446049250313e-16;
__device__ __forceinline__ double not_a_number() { return __longlong_as_double(0x7ff8000000000000ll); }
__device__ __forceinline__ double infinity() { return __longlong_as_double(0x7ff0000000000000ll); }

// Functions of one or two numbers in double precision, for single.
#define RN_IN_DOUBLE(name) __device__ __forceinline__ float name(float x) { return (float)name((double)x); }
#define RN_IN_DOUBLE_2(name) __device__ __forceinline__ float name(float x, float y) { return (float)name((double)x, (double)y); }

// ---- gamma and its relatives ----
__device__ inline double digamma(double x) {
    if (x == 0) return copysign(infinity(), -x);
    if (x == -infinity()) return not_a_number();
    double reflected = 0;
    if (x < 0) {
        if (x == floor(x)) return not_a_number();
        // The fraction alone: pi times a large number has lost it.
        reflected = PI / tan(PI * (x - trunc(x)));
        x = 1 - x;
    }
    double shift = 0;
    while (x < 10) {
        shift -= 1 / x;
        x += 1;
    }
    const double z = 1 / (x * x);
    const double tail = z * (1.0 / 12 + z * (-1.0 / 120 + z * (1.0 / 252 + z * (-1.0 / 240 + z * (1.0 / 132 + z * (-691.0 / 32760 + z * (1.0 / 12)))))));
    return shift + log(x) - 0.5 / x - tail - reflected;
}

__device__ inline double zeta(double x, double q) {
    if (x == 1) return infinity();
    if (is_nan(x) || is_nan(q) || x < 1) return not_a_number();
    if (q <= 0) {
        if (q == floor(q)) return infinity();
        if (x != floor(x)) return not_a_number();
    }
    double sum = 0, a = q, terms = 0;
    // Far below zero the terms grow up to the one nearest to it: all of them count.
    const double least = 12 - ::fmax(floor(::fmin(q, 0.0)), -1e6);
    while (terms < least || (a < 12 && terms < 1e6)) {
        const double term = ::pow(a, -x);
        sum += term;
        a += 1;
        terms += 1;
        if (a > 1 && abs(term) < ULP * 0.01 * abs(sum)) return sum;
    }
    const double power = ::pow(a, -x);
    sum += power * a / (x - 1) + 0.5 * power;
    double rising = x, term = power / a;
    for (int k = 0; k < 10; k++) {
        const double correction = BERNOULLI_OVER_FACTORIAL[k] * rising * term;
        sum += correction;
        if (abs(correction) < ULP * 0.1 * abs(sum)) break;
        rising *= (x + 2 * k + 1) * (x + 2 * k + 2);
        term /= a * a;
    }
    return sum;
}

__device__ inline double polygamma(double x, double n) {
    if (n == 0) return digamma(x);
    if (n == 1) {
        if (x < 0.5) {
            // To the nearest whole number, halves away from zero.
            const double s = sin(PI * (x - copysign(floor(abs(x) + 0.5), x)));
            return PI * PI / (s * s) - zeta(2.0, 1 - x);
        }
        return zeta(2.0, x);
    }
    return (::fmod(n, 2.0) == 0 ? -1 : 1) * exp(lgamma(n + 1)) * zeta(n + 1, x);
}

// x - log(1 + x), exact near 0.
__device__ inline double x_minus_log1p(double x) {
    if (abs(x) > 0.1) return x - log1p(x);
    const double r = x / (2 + x), z = r * r;
    double series = 0;
    for (int k = 13; k > 0; k--) series = series * z + 1.0 / (2 * k + 1);
    return r * x - 2 * r * z * series;
}
// x^a exp(-x) / gamma(a + 1), without the overflow and the cancellation of its factors.
__device__ inline double gamma_density(double a, double x) {
    if (a < 20) return exp(a * log(x) - x - lgamma(a + 1));
    const double z = 1 / (a * a), stirling = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z / 1680))) / a;
    return exp(-a * x_minus_log1p((x - a) / a) - stirling) / sqrt(2 * PI * a);
}
__device__ __forceinline__ double off_zero(double x) { return abs(x) < 1e-300 ? 1e-300 : x; }
// The lower incomplete gamma function over gamma(a), or the upper one.
__device__ inline double incomplete_gamma(double a, double x, bool upper) {
    if (is_nan(a) || is_nan(x) || a < 0 || x < 0) return not_a_number();
    if (a == 0) return x > 0 ? (upper ? 0 : 1) : not_a_number();
    if (x == 0) return upper ? 1 : 0;
    if (is_inf(a)) return is_inf(x) ? not_a_number() : upper ? 1 : 0;
    if (is_inf(x)) return upper ? 0 : 1;
    const double density = gamma_density(a, x);
    const int limit = 200 + (int)::fmin(20 * sqrt(a), 1e6);
    if (x < a + 1) {
        double sum = 1, term = 1;
        for (int k = 1; k < limit; k++) {
            term *= x / (a + k);
            sum += term;
            if (term < sum * ULP * 0.1) break;
        }
        const double p = ::fmin(density * sum, 1.0);
        return upper ? 1 - p : p;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, fraction = d;
    for (int k = 1; k < limit; k++) {
        const double coefficient = -k * (k - a);
        b += 2;
        d = 1 / off_zero(coefficient * d + b);
        c = off_zero(b + coefficient / c);
        const double step = d * c;
        fraction *= step;
        if (abs(step - 1) < ULP) break;
    }
    const double q = ::fmin(density * a * fraction, 1.0);
    return upper ? q : 1 - q;
}
__device__ inline double igamma(double a, double x) { return incomplete_gamma(a, x, false); }
__device__ inline double igammac(double a, double x) { return incomplete_gamma(a, x, true); }

// ---- the error function and its relatives ----
__device__ inline double erfcx(double x) {
    if (x < 2) return exp(x * x) * erfc(x);
    if (x > 1e8) return 0.5 * TWO_OVER_ROOT_PI / x;
    double fraction = x;
    for (int k = (x < 4 ? 120 : 40) - 1; k > 0; k--) fraction = x + 0.5 * k / fraction;
    return 0.5 * TWO_OVER_ROOT_PI / fraction;
}
// The x with erfc(x) = q.
__device__ inline double erfc_inverse(double q) {
    if (!(q >= 0 && q <= 2)) return not_a_number();
    const double sign = q > 1 ? -1 : 1;
    if (q > 1) q = 2 - q;
    if (q == 0) return sign * infinity();
    const double t = sqrt(-2 * log(0.5 * q));
    double x = (t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))) / ROOT_2;
    for (int k = 0; k < 3; k++) {
        const double error = x < 2 ? (erfc(x) - q) / (TWO_OVER_ROOT_PI * exp(-x * x)) : (erfcx(x) - exp(log(q) + x * x)) / TWO_OVER_ROOT_PI;
        x += error / (1 + x * error);
    }
    return sign * x;
}
__device__ inline double erfinv(double y) {
    if (abs(y) > 0.5) return copysign(erfc_inverse(1 - abs(y)), y);
    double x = y * (0.5 * 1.77245385090551602730);
    for (int k = 0; k < 4; k++) {
        const double error = (erf(x) - y) / (TWO_OVER_ROOT_PI * exp(-x * x));
        x -= error / (1 + x * error);
    }
    return x;
}
__device__ inline double ndtri(double p) { return -ROOT_2 * erfc_inverse(2 * p); }
__device__ inline double log_ndtr(double x) {
    const double t = x / ROOT_2;
    return x < -1 ? log(0.5 * erfcx(-t)) - t * t : log1p(-0.5 * erfc(t));
}

// ---- Bessel functions ----
template <int N> __device__ inline double chebyshev(const double (&c)[N], double u) {
    double p = 0, q = 0;
    for (int k = N - 1; k > 0; k--) {
        const double next = 2 * u * p - q + c[k];
        q = p;
        p = next;
    }
    return u * p - q + c[0];
}
// exp(-|x|) I(n, x).
__device__ inline double scaled_i(int n, double x) {
    const double a = abs(x);
    if (is_inf(a)) return 0;
    if (a < 20) {
        const double z = 0.25 * a * a;
        double term = 1, sum = 1;
        for (int k = 1; k < 200; k++) {
            term *= z / ((double)k * (k + n));
            sum += term;
            if (term < sum * ULP * 0.1) break;
        }
        return sum * exp(-a) * (n == 1 ? 0.5 * x : 1);
    }
    const double m = 4 * n * n, z = -1 / (8 * a);
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) {
        const double odd = 2 * k - 1, next = term * (m - odd * odd) * z / k;
        if (abs(next) >= abs(term) || abs(next) < ULP * 0.1) break;
        term = next;
        sum += term;
    }
    return sum / sqrt(2 * PI * a) * (n == 1 ? copysign(1.0, x) : 1);
}
__device__ inline double i0(double x) { return scaled_i(0, x) * exp(abs(x)); }
__device__ inline double i0e(double x) { return scaled_i(0, x); }
__device__ inline double i1(double x) { return scaled_i(1, x) * exp(abs(x)); }
__device__ inline double i1e(double x) { return scaled_i(1, x); }
// exp(x) K(n, x).
__device__ inline double scaled_k(int n, double x) {
    if (is_nan(x) || x < 0) return not_a_number();
    if (x == 0) return infinity();
    if (is_inf(x)) return 0;
    if (x > 2) return (n == 0 ? chebyshev(K0, 4 / x - 1) : chebyshev(K1, 4 / x - 1)) / sqrt(x);
    const double z = 0.25 * x * x, logarithm = log(0.5 * x);
    double term = 1, harmonic = 0, sum = 0;
    if (n == 0) {
        sum = -(logarithm + EULER);
        for (int k = 1; k < 20; k++) {
            term *= z / ((double)k * k);
            harmonic += 1.0 / k;
            sum += term * (harmonic - logarithm - EULER);
            if (term < ULP * 1e-3) break;
        }
        return sum * exp(x);
    }
    for (int k = 0; k < 20; k++) {
        sum += term * (logarithm - (harmonic - EULER + 0.5 / (k + 1)));
        harmonic += 1.0 / (k + 1);
        term *= z / ((k + 1) * (k + 2));
        if (term < ULP * 1e-3) break;
    }
    return (1 / x + 0.5 * x * sum) * exp(x);
}
__device__ inline double k0(double x) { return scaled_k(0, x) * exp(-x); }
__device__ inline double k0e(double x) { return scaled_k(0, x); }
__device__ inline double k1(double x) { return scaled_k(1, x) * exp(-x); }
__device__ inline double k1e(double x) { return scaled_k(1, x); }

__device__ inline double airy_ai(double x) {
    if (!is_finite(x)) return not_a_number();
    if (x > 2) {
        const double z = 2.0 / 3 * x * sqrt(x);
        return chebyshev(AIRY_LARGE, 2 * 1.8856180831641267 / z - 1) * exp(-z) / sqrt(sqrt(x));
    }
    if (x > -3) return chebyshev(AIRY_MIDDLE, (x + 0.5) / 2.5);
    if (x >= -8) return chebyshev(AIRY_NEGATIVE, (x + 5.5) / 2.5);
    const double z = 2.0 / 3 * -x * sqrt(-x);
    double term = 1, even = 1, odd = 0;
    for (int k = 1; k < 40; k++) {
        const double j = 6.0 * k, next = term * (j - 5) * (j - 3) * (j - 1) / (216.0 * k * (2 * k - 1) * z);
        if (next > term || next < ULP * 0.01) break;
        term = next;
        (k % 2 == 0 ? even : odd) += k / 2 % 2 == 0 ? term : -term;
    }
    const double angle = z + 0.25 * PI;
    return (sin(angle) * even - cos(angle) * odd) / (1.77245385090551602730 * ::pow(-x, 0.25));
}
__device__ inline double spherical_j0(double x) {
    if (is_inf(x)) return 0;
    return abs(x) < 1e-4 ? 1 - x * x / 6 : sin(x) / x;
}

// ---- orthogonal polynomials ----
// The polynomial of degree n from those of degree 0 and 1; next(k, p, q) is that of degree k + 1.
template <class Next> __device__ inline double by_recurrence(double n, double first, double second, Next next) {
    n = trunc(n);
    if (is_nan(n)) return n;
    if (n < 0) return 0;
    if (n == 0) return first;
    double q = first, p = second;
    for (double k = 1; k < n && !is_nan(p); k += 1) {
        const double after = next(k, p, q);
        q = p;
        p = after;
    }
    return p;
}
__device__ __forceinline__ bool is_high(double x, double n) { return n > 8 && abs(x) != 1; }
__device__ __forceinline__ double parity(double x, double n) { return x < 0 && ::fmod(n, 2.0) != 0 ? -1 : 1; }
__device__ inline double chebyshev_t(double x, double n) {
    n = trunc(n);
    if (is_high(x, n)) return abs(x) < 1 ? cos(n * acos(x)) : cosh(n * acosh(abs(x))) * parity(x, n);
    return by_recurrence(n, 1.0, x, [=](double, double p, double q) { return 2 * x * p - q; });
}
__device__ inline double chebyshev_u(double x, double n) {
    n = trunc(n);
    if (abs(x) == 1 && n > 8) return (n + 1) * parity(x, n);
    if (is_high(x, n)) {
        const double t = abs(x) < 1 ? acos(x) : acosh(abs(x));
        return abs(x) < 1 ? sin((n + 1) * t) / sin(t) : sinh((n + 1) * t) / sinh(t) * parity(x, n);
    }
    return by_recurrence(n, 1.0, 2 * x, [=](double, double p, double q) { return 2 * x * p - q; });
}
__device__ inline double chebyshev_v(double x, double n) {
    n = trunc(n);
    if (abs(x) == 1 && n > 8) return x > 0 ? 1 : (2 * n + 1) * parity(x, n);
    if (is_high(x, n)) {
        const double t = abs(x) < 1 ? acos(x) : acosh(abs(x));
        if (abs(x) < 1) return cos((n + 0.5) * t) / cos(0.5 * t);
        return x > 0 ? cosh((n + 0.5) * t) / cosh(0.5 * t) : sinh((n + 0.5) * t) / sinh(0.5 * t) * parity(x, n);
    }
    return by_recurrence(n, 1.0, 2 * x - 1, [=](double, double p, double q) { return 2 * x * p - q; });
}
__device__ inline double chebyshev_w(double x, double n) { return chebyshev_v(-x, n) * (::fmod(trunc(n), 2.0) == 0 ? 1 : -1); }
__device__ inline double hermite_h(double x, double n) {
    return by_recurrence(n, 1.0, 2 * x, [=](double k, double p, double q) { return 2 * (x * p - k * q); });
}
__device__ inline double hermite_he(double x, double n) {
    return by_recurrence(n, 1.0, x, [=](double k, double p, double q) { return x * p - k * q; });
}
__device__ inline double laguerre_l(double x, double n) {
    return by_recurrence(n, 1.0, 1 - x, [=](double k, double p, double q) { return ((2 * k + 1 - x) * p - k * q) / (k + 1); });
}
__device__ inline double legendre_p(double x, double n) {
    return by_recurrence(n, 1.0, x, [=](double k, double p, double q) { return ((2 * k + 1) * x * p - k * q) / (k + 1); });
}

RN_IN_DOUBLE(digamma) RN_IN_DOUBLE(erfcx) RN_IN_DOUBLE(erfinv) RN_IN_DOUBLE(ndtri) RN_IN_DOUBLE(log_ndtr)
RN_IN_DOUBLE(i0) RN_IN_DOUBLE(i0e) RN_IN_DOUBLE(i1) RN_IN_DOUBLE(i1e) RN_IN_DOUBLE(k0) RN_IN_DOUBLE(k0e) RN_IN_DOUBLE(k1) RN_IN_DOUBLE(k1e)
RN_IN_DOUBLE(airy_ai) RN_IN_DOUBLE(spherical_j0)
RN_IN_DOUBLE_2(zeta) RN_IN_DOUBLE_2(polygamma) RN_IN_DOUBLE_2(igamma) RN_IN_DOUBLE_2(igammac)
RN_IN_DOUBLE_2(chebyshev_t) RN_IN_DOUBLE_2(chebyshev_u) RN_IN_DOUBLE_2(chebyshev_v) RN_IN_DOUBLE_2(chebyshev_w)
RN_IN_DOUBLE_2(hermite_h) RN_IN_DOUBLE_2(hermite_he) RN_IN_DOUBLE_2(laguerre_l) RN_IN_DOUBLE_2(legendre_p)
}  // namespace rn
