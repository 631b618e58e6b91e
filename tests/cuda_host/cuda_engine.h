// The machine under cuda_host.h: what a kernel sees of it. Fibers, barriers, warp operations and launch() are in
// cuda_scheduler.h, which is compiled once and linked to every kernel (CH_LINKED), or else with the kernel.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <type_traits>
#include <utility>
#if !defined(__x86_64__) || defined(CH_UCONTEXT)
#include <ucontext.h>
#endif
#ifndef CH_BODY
#define CH_BODY inline  // nothing where the scheduler is compiled on its own
#endif
#define CH_API extern "C" __attribute__((used, visibility("default")))
#define CH_RAW __attribute__((no_sanitize("thread")))  // not looked at by cuda_check.h
#ifndef CH_SMEM_NAME
#define CH_SMEM_NAME "smem"  // the one name a file gives its: extern __shared__ <type> smem[];
#endif
#ifndef CH_SMEM_MAX
#define CH_SMEM_MAX (227 * 1024)
#endif

#if defined(__x86_64__) && !defined(CH_UCONTEXT)
typedef void* ch_context;  // the saved stack pointer; the callee-saved registers lie on that stack
#else  // any other processor: the C library's contexts (slower: each switch is a system call)
typedef ucontext_t ch_context;
#endif

struct dim3 { unsigned x = 1, y = 1, z = 1; };

// Given by tests/cuda_host/driver.cpp; absent where a library is used alone.
extern "C" char* ch_take_stacks() __attribute__((weak));
extern "C" void ch_give_stacks(char*) __attribute__((weak));

namespace ch {
constexpr size_t STACK = 256 << 10, GUARD = 16 << 10;  // address space only: pages appear when touched
constexpr unsigned MAX_THREADS = 1024, MAX_IDLE = 200000;
enum class Wait : uint8_t { no, block, warp, done };
enum class Op : uint8_t { none, sync, sync_or, sync_and, sync_count, syncwarp, shfl, up, down, bfly, ballot, any, all };
struct Fiber {
  dim3 tid;
  unsigned id, lane, warp;
  Wait wait;
  Op op;                   // what it waits for, with the line it waits in, and what it brought along
  int line, arg, width;
  unsigned mask;
  uint64_t value, result;
  unsigned syncwarps;      // counted for the race check
  bool started;            // else its stack is still to be prepared
  char* stack;
  ch_context context;
  void* fake;              // address sanitizer's handle
};
struct Engine {
  Fiber fiber[MAX_THREADS];
  unsigned order[MAX_THREADS], count, barriers;
  dim3 block_idx, block_dim, grid_dim;
  unsigned smem;
  uint64_t serial, launch_serial;  // number of this block, and of the first block of this launch
  const char* kernel;
  void (*call)(void**);
  void** args;
  ch_context context;
  void* fake = nullptr;
  const void* host_stack = nullptr;
  size_t host_bytes = 0;
  uint64_t rng;
  bool failed;
  char* stacks;
  Engine() { if (!ch_take_stacks) use(make_stacks()); }
  // Each library has engines of its own; a driver that loads many lends all of them the same stacks.
  void use(char* memory) {
    stacks = memory;
    for (unsigned i = 0; i < MAX_THREADS; i++) fiber[i].stack = stacks + i * (STACK + GUARD) + GUARD;
  }
  static char* make_stacks() {
    char* stacks = (char*)mmap(nullptr, MAX_THREADS * (STACK + GUARD), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == (char*)MAP_FAILED) { perror("cuda_host: stacks"); abort(); }
    for (unsigned i = 0; i < MAX_THREADS; i++) mprotect(stacks + i * (STACK + GUARD), GUARD, PROT_NONE);  // an overflow ends here
    return stacks;
  }
  uint64_t random() { return rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17; }
};
// All that the shim keeps per OS thread (shared memory is thread-local too: poison() spares this and nothing else).
struct Self { Engine* e; Fiber* f; uint64_t seed; struct Checker* check; };
extern thread_local Self self;
void suspend(bool for_ever);
// Gives the launch up: called by a fiber it does not return.
void fail(const char* format, ...);
uint64_t wait_for(Wait w, Op op, unsigned mask, uint64_t value, int arg, int width, int line);
inline void yield() { suspend(false); }  // stays ready to run

// ---------------------------------------------------------------- launching
bool add(const char* name, void (*call)(void**), const unsigned* sizes, unsigned count);
template <auto F> struct Thunk;
template <class... A, void (*F)(A...)> struct Thunk<F> {
  static_assert((std::is_trivially_copyable_v<A> && ...), "kernel arguments are copied as bytes");
  static_assert((sizeof(A) + ... + 0) <= 4096, "kernel arguments: 4 KiB at most");
  template <size_t... I> CH_RAW static void go(void** p, std::index_sequence<I...>) { (void)p; F(*(A*)p[I]...); }
  CH_RAW static void call(void** p) { go(p, std::index_sequence_for<A...>{}); }
  static bool add(const char* name) {  // with the sizes of its arguments: a graph keeps copies of them
    static const unsigned sizes[] = {(unsigned)sizeof(A)..., 0};
    return ch::add(name, &call, sizes, sizeof...(A));
  }
};
#ifndef CH_CHECK
inline void check_atomic(void*, unsigned) {}
#else  // see cuda_check.h
void check_atomic(void*, unsigned bytes);
#endif
}  // namespace ch
#define CH_PASTE2(a, b) a##b
#define CH_PASTE(a, b) CH_PASTE2(a, b)
#define CH_KERNEL(...) static const bool CH_PASTE(ch_kernel_, __COUNTER__) = ch::Thunk<__VA_ARGS__>::add(#__VA_ARGS__);
#ifndef CH_LINKED
#include "cuda_scheduler.h"
#endif
