// Runs the text of a header-free .cu file on the CPU, block by block, to test its logic where there is no GPU.
//   g++ -std=c++17 -x c++ -include cuda_host.h -include prologue.cu kernels.cu   (see build.sh)
// Each thread of a block is a fiber; all fibers of a block run in the OS thread that called launch(), one at a time,
// each until it waits (barrier, warp operation) or returns. The order is fixed by ch_seed(): 0 upwards, 1 downwards,
// other values: a fresh random order at each pass, with warps drifting apart. Host threads may launch side by side.
#pragma once
#include "cuda_engine.h"

// ---------------------------------------------------------------- keywords and types
#define __global__ __attribute__((used))
#define __device__
#define __host__
#define __constant__
#define __shared__ thread_local  // "static" inside a function, and also right after "extern"
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define CH_VECTOR(T, name)                                                                          \
  struct __align__(2 * sizeof(T)) name##2 { T x, y; };                                              \
  struct name##3 { T x, y, z; };                                                                    \
  struct __align__(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; };              \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                        \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CH_VECTOR(float, float) CH_VECTOR(double, double) CH_VECTOR(int, int) CH_VECTOR(unsigned, uint)
CH_VECTOR(unsigned char, uchar) CH_VECTOR(short, short) CH_VECTOR(unsigned short, ushort) CH_VECTOR(long long, longlong)

// ---------------------------------------------------------------- what kernels see
#define threadIdx (ch::self.f->tid)
#define blockIdx (ch::self.e->block_idx)
#define blockDim (ch::self.e->block_dim)
#define gridDim (ch::self.e->grid_dim)
constexpr int warpSize = 32;
#define CH_LINE int line = __builtin_LINE()
inline void __syncthreads(CH_LINE) { ch::wait_for(ch::Wait::block, ch::Op::sync, ~0u, 0, 0, 32, line); }
inline int __syncthreads_or(int p, CH_LINE) { return (int)ch::wait_for(ch::Wait::block, ch::Op::sync_or, ~0u, p != 0, 0, 32, line); }
inline int __syncthreads_and(int p, CH_LINE) { return (int)ch::wait_for(ch::Wait::block, ch::Op::sync_and, ~0u, p != 0, 0, 32, line); }
inline int __syncthreads_count(int p, CH_LINE) { return (int)ch::wait_for(ch::Wait::block, ch::Op::sync_count, ~0u, p != 0, 0, 32, line); }
inline void __syncwarp(unsigned mask = ~0u, CH_LINE) { ch::wait_for(ch::Wait::warp, ch::Op::syncwarp, mask, 0, 0, 32, line); }
inline unsigned __ballot_sync(unsigned mask, int p, CH_LINE) { return (unsigned)ch::wait_for(ch::Wait::warp, ch::Op::ballot, mask, p != 0, 0, 32, line); }
inline int __any_sync(unsigned mask, int p, CH_LINE) { return (int)ch::wait_for(ch::Wait::warp, ch::Op::any, mask, p != 0, 0, 32, line); }
inline int __all_sync(unsigned mask, int p, CH_LINE) { return (int)ch::wait_for(ch::Wait::warp, ch::Op::all, mask, p != 0, 0, 32, line); }
inline unsigned __activemask() {  // all lanes that have not returned: one of the answers that the hardware may give
  unsigned m = 0;
  const ch::Engine& e = *ch::self.e;
  for (unsigned i = ch::self.f->warp * 32; i < e.count && i < ch::self.f->warp * 32 + 32; i++) m |= (e.fiber[i].wait != ch::Wait::done ? 1u : 0u) << i % 32;
  return m;
}
namespace ch {
template <class T> T shuffle_lanes(Op op, unsigned mask, T v, int arg, int width, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 32 or 64 bits");
  uint64_t bits = 0;
  memcpy(&bits, &v, sizeof v);
  bits = wait_for(Wait::warp, op, mask, bits, arg, width, line);
  memcpy(&v, &bits, sizeof v);
  return v;
}
template <class T> struct Same { typedef T type; };
template <class T, class F> CH_RAW T atomic(T* p, F f, bool spin = false) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomics work on 32 or 64 bits");
  if (spin) yield();  // loops around it let the others run
  check_atomic(p, sizeof(T));
  __attribute__((may_alias)) T* q = p;
  const T old = *q;
  *q = f(old);
  return old;
}
inline float half_to_float(unsigned short h) {
  const unsigned sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu;
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
  const unsigned bits = sign | (exponent == 31 ? 0x7f800000u | fraction << 13 : (exponent + 112) << 23 | fraction << 13);
  float f; memcpy(&f, &bits, 4); return f;
}
inline unsigned short float_to_half(float f) {  // to nearest, ties to even; NaN becomes 0x7fff, as cvt.rn.f16.f32 has it
  unsigned bits; memcpy(&bits, &f, 4);
  const unsigned short sign = bits >> 16 & 0x8000;
  const float a = fabsf(f);
  if (f != f) return 0x7fff;
  if (a >= 65520.0f) return sign | 0x7c00;
  if (a < 0x1p-14f) return sign | (unsigned short)nearbyintf(a * 0x1p24f);
  bits &= 0x7fffffff;
  return sign | (unsigned short)((bits - (112u << 23) + 0xfffu + (bits >> 13 & 1)) >> 13);
}
inline unsigned short float_to_bfloat(float f) {
  unsigned bits; memcpy(&bits, &f, 4);
  return f != f ? 0x7fff : (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
template <class To, class From> To bit_cast(From v) { static_assert(sizeof(To) == sizeof(From), ""); To t; memcpy(&t, &v, sizeof t); return t; }
}  // namespace ch
#define CH_SHUFFLE(name, op) template <class T> T name(unsigned mask, T v, int arg, int width = 32, CH_LINE) { return ch::shuffle_lanes(op, mask, v, arg, width, line); }
CH_SHUFFLE(__shfl_sync, ch::Op::shfl) CH_SHUFFLE(__shfl_up_sync, ch::Op::up) CH_SHUFFLE(__shfl_down_sync, ch::Op::down) CH_SHUFFLE(__shfl_xor_sync, ch::Op::bfly)

#define CH_ATOMIC(name, expression, spin) template <class T> T name(T* p, typename ch::Same<T>::type v) { return ch::atomic(p, [=](T old) -> T { return expression; }, spin); }
CH_ATOMIC(atomicAdd, old + v, false) CH_ATOMIC(atomicSub, old - v, false) CH_ATOMIC(atomicExch, ((void)old, v), true)
CH_ATOMIC(atomicMax, old > v ? old : v, false) CH_ATOMIC(atomicMin, old < v ? old : v, false)
CH_ATOMIC(atomicAnd, old & v, false) CH_ATOMIC(atomicOr, old | v, false) CH_ATOMIC(atomicXor, old ^ v, false)
template <class T> T atomicCAS(T* p, typename ch::Same<T>::type compare, typename ch::Same<T>::type v) {
  static_assert(std::is_integral_v<T>, "atomicCAS: integers");
  return ch::atomic(p, [=](T old) { return old == compare ? v : old; }, true);
}
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T, class U> void __stcs(T* p, U v) { *p = v; }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __trap() { ch::fail("__trap"); }

// Names that some C library may have, or get: macros, so that they cannot clash.
namespace ch {
inline float rsqrt_(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt_(double x) { return 1.0 / sqrt(x); }
inline void sine_and_cosine(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
inline void sine_and_cosine_of_pi(double x, double* s, double* c) { *s = sin(x * 3.14159265358979323846), *c = cos(x * 3.14159265358979323846); }
inline void sine_and_cosine_of_pi(float x, float* s, float* c) { *s = (float)sin(x * 3.14159265358979323846), *c = (float)cos(x * 3.14159265358979323846); }
inline float saturate(float x) { return x > 0.0f ? x < 1.0f ? x : 1.0f : 0.0f; }
}
#define rsqrtf(x) ch::rsqrt_((float)(x))
#define rsqrt(x) ch::rsqrt_((double)(x))
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __sincosf(x, s, c) ch::sine_and_cosine(x, s, c)
#define sincospi(x, s, c) ch::sine_and_cosine_of_pi(x, s, c)
#define sincospif(x, s, c) ch::sine_and_cosine_of_pi(x, s, c)
#define __powf(x, y) powf(x, y)
#define __fdividef(x, y) ((float)(x) / (float)(y))
#define __fmaf_rn(x, y, z) fmaf(x, y, z)
#define __frcp_rn(x) (1.0f / (float)(x))
#define __saturatef(x) ch::saturate(x)
#define __float_as_int(x) ch::bit_cast<int>((float)(x))
#define __float_as_uint(x) ch::bit_cast<unsigned>((float)(x))
#define __int_as_float(x) ch::bit_cast<float>((int)(x))
#define __uint_as_float(x) ch::bit_cast<float>((unsigned)(x))
#define __double_as_longlong(x) ch::bit_cast<long long>((double)(x))
#define __longlong_as_double(x) ch::bit_cast<double>((long long)(x))
#define __popc(x) __builtin_popcount(x)
#define __popcll(x) __builtin_popcountll(x)
#define __ffs(x) __builtin_ffs(x)
#define __clz(x) ((x) ? __builtin_clz(x) : 32)
#define __umulhi(a, b) ((unsigned)((uint64_t)(unsigned)(a) * (unsigned)(b) >> 32))
#define CH_MINMAX(T) inline T min(T a, T b) { return b < a ? b : a; } inline T max(T a, T b) { return a < b ? b : a; }
CH_MINMAX(int) CH_MINMAX(unsigned) CH_MINMAX(long long) CH_MINMAX(unsigned long long) CH_MINMAX(long) CH_MINMAX(unsigned long)
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
#ifdef CH_CHECK
#include "cuda_check.h"
#endif
