// Goes before every kernel: element types, conversions between them, and strides. Read by two compilers: NVRTC for
// GPUs (__CUDACC__), and g++ with tests/cuda_host/cuda_host.h, which runs kernels on the CPU. Inline PTX stands here
// only, each beside its twin in C++.
namespace rn {

struct f16 { unsigned short bits; };   // stored only: computed in float
struct bf16 { unsigned short bits; };

__device__ __forceinline__ float widen(f16 h) {
#ifdef __CUDACC__
    float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits)); return f;
#else
    return ch::half_to_float(h.bits);
#endif
}
__device__ __forceinline__ float widen(bf16 h) { return __uint_as_float((unsigned)h.bits << 16); }

__device__ __forceinline__ void narrow(float x, f16& h) {
#ifdef __CUDACC__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
#else
    h.bits = ch::float_to_half(x);
#endif
}
__device__ __forceinline__ void narrow(float x, bf16& h) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
#else   // sm_75 has no such instruction
    unsigned u = __float_as_uint(x);
    h.bits = x != x ? 0x7fff : (unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
#endif
}

// Integers are computed as wrapping 64-bit ones; ! turns every bit over, as in Rust.
struct Int {
    long long v;
    Int() = default;
    __device__ __forceinline__ Int(long long x) : v(x) {}
    __device__ __forceinline__ Int(int x) : v(x) {}
    __device__ __forceinline__ Int(bool x) : v(x) {}
    __device__ __forceinline__ Int(double x) : v((long long)x) {}
};
#define RN_WRAPPING(op) \
    __device__ __forceinline__ Int operator op(Int a, Int b) { return (long long)((unsigned long long)a.v op (unsigned long long)b.v); }
RN_WRAPPING(+) RN_WRAPPING(-) RN_WRAPPING(*) RN_WRAPPING(&) RN_WRAPPING(|) RN_WRAPPING(^)
#define RN_COMPARE(op) __device__ __forceinline__ bool operator op(Int a, Int b) { return a.v op b.v; }
RN_COMPARE(==) RN_COMPARE(!=) RN_COMPARE(<) RN_COMPARE(<=) RN_COMPARE(>) RN_COMPARE(>=)
__device__ __forceinline__ Int operator-(Int a) { return (long long)(0ull - (unsigned long long)a.v); }
__device__ __forceinline__ Int operator!(Int a) { return ~a.v; }

template <class R> struct Complex {
    R re, im;
    Complex() = default;
    __device__ __forceinline__ Complex(R a, R b) : re(a), im(b) {}
    __device__ __forceinline__ Complex(double a) : re((R)a), im(0) {}
};
#define RN_C template <class R> __device__ __forceinline__
RN_C Complex<R> operator+(Complex<R> a, Complex<R> b) { return {a.re + b.re, a.im + b.im}; }
RN_C Complex<R> operator-(Complex<R> a, Complex<R> b) { return {a.re - b.re, a.im - b.im}; }
RN_C Complex<R> operator-(Complex<R> a) { return {-a.re, -a.im}; }
RN_C Complex<R> operator*(Complex<R> a, Complex<R> b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
RN_C bool operator==(Complex<R> a, Complex<R> b) { return a.re == b.re && a.im == b.im; }
RN_C bool operator!=(Complex<R> a, Complex<R> b) { return !(a == b); }
// As Smith divides (Algorithm 116, 1962); over zero it is infinite where a is not zero.
RN_C Complex<R> operator/(Complex<R> a, Complex<R> b) {
    R x = b.re < 0 ? -b.re : b.re, y = b.im < 0 ? -b.im : b.im;
    if (x >= y) {
        if (x == 0 && y == 0) return {a.re / x, a.im / y};
        R ratio = b.im / b.re, scale = R(1) / (b.re + b.im * ratio);
        return {(a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale};
    }
    R ratio = b.re / b.im, scale = R(1) / (b.re * ratio + b.im);
    return {(a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale};
}

// ---- conversions: those of the CPU, and so of PyTorch ----
template <class A, class B> struct Same { static constexpr bool value = false; };
template <class A> struct Same<A, A> { static constexpr bool value = true; };
template <class A> struct IsComplex { static constexpr bool value = false; };
template <class R> struct IsComplex<Complex<R>> { static constexpr bool value = true; typedef R Real; };
template <class A> constexpr bool is_half = Same<A, f16>::value || Same<A, bf16>::value;
template <class A> constexpr bool is_float = Same<A, float>::value || Same<A, double>::value;
template <class A> constexpr bool is_short = !is_half<A> && sizeof(A) < 4;

template <class To, class From> __device__ __forceinline__ To convert(From x) {
    if constexpr (Same<To, From>::value) return x;
    else if constexpr (is_half<From>) return convert<To>(widen(x));
    else if constexpr (Same<From, Int>::value) return convert<To>(x.v);
    else if constexpr (Same<To, bool>::value) {
        if constexpr (IsComplex<From>::value) return x.re != 0 || x.im != 0;
        else return x != From(0);
    }
    else if constexpr (IsComplex<From>::value) {
        if constexpr (IsComplex<To>::value) return To((typename IsComplex<To>::Real)x.re, (typename IsComplex<To>::Real)x.im);
        else return convert<To>(x.re);
    }
    else if constexpr (IsComplex<To>::value) return To(convert<typename IsComplex<To>::Real>(x), 0);
    else if constexpr (is_half<To>) { To h; narrow((float)x, h); return h; }
    else if constexpr (Same<To, Int>::value) return Int((long long)x);
    else if constexpr (is_float<From> && is_short<To>) return (To)(long long)x;
    else return (To)x;
}

// Several elements that are read and written at once.
template <class A, int N> struct __align__(sizeof(A) * N) Pack { A v[N]; };

// Nested loops over strided operands, innermost first; strides in bytes.
template <int OPERANDS> struct Loops {
    int rank;
    unsigned sizes[8];
    long long strides[8][OPERANDS];
    // Where the operands have element i.
    template <class Index> __device__ __forceinline__ void find(Index i, long long* at) const {
#pragma unroll
        for (int k = 0; k < OPERANDS; k++) at[k] = 0;
#pragma unroll
        for (int d = 0; d < 8; d++) {
            if (d == rank) break;
            Index rest = i / sizes[d];
            Index here = i - rest * sizes[d];
            i = rest;
#pragma unroll
            for (int k = 0; k < OPERANDS; k++) at[k] += (long long)here * strides[d][k];
        }
    }
};
template <class A> __device__ __forceinline__ A read(const A* p, long long bytes) { return *(const A*)((const char*)p + bytes); }
template <class A> __device__ __forceinline__ A& place(A* p, long long bytes) { return *(A*)((char*)p + bytes); }

}  // namespace rn
