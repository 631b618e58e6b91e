// The machine's works: switching of fibers, barriers and warp operations as the scheduler sees them, launch().
#pragma once
#include <link.h>
#include <stdarg.h>
#include <map>
#include <mutex>
#include <string>
#include <vector>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#include "cuda_engine.h"

// ---------------------------------------------------------------- fibers
#if defined(__x86_64__) && !defined(CH_UCONTEXT)
extern "C" void ch_switch(ch_context* from, ch_context* to);
asm(R"(.pushsection .text
.globl ch_switch
.hidden ch_switch
.type ch_switch, @function
ch_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size ch_switch, . - ch_switch
.popsection)");
CH_BODY void ch_prepare(ch_context* c, char* stack, size_t bytes, void (*entry)()) {
  void** top = (void**)(stack + bytes);  // a multiple of 16
  *--top = nullptr;                      // where entry would return to: it never does
  *--top = (void*)entry;
  for (int i = 0; i < 6; i++) *--top = nullptr;
  *c = top;
}
#else
CH_BODY void ch_switch(ch_context* from, ch_context* to) { swapcontext(from, to); }
CH_BODY void ch_prepare(ch_context* c, char* stack, size_t bytes, void (*entry)()) {
  getcontext(c);
  c->uc_stack.ss_sp = stack, c->uc_stack.ss_size = bytes, c->uc_link = nullptr;
  makecontext(c, entry, 0);
}
#endif

namespace ch {
CH_BODY const char* name_of(Op op) {
  static const char* const s[] = {"", "__syncthreads", "__syncthreads_or", "__syncthreads_and", "__syncthreads_count",
    "__syncwarp", "__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync", "__ballot_sync", "__any_sync", "__all_sync"};
  return s[(int)op];
}
CH_BODY thread_local Self self;
static thread_local char message[1024];
alignas(128) thread_local unsigned char dynamic_smem[CH_SMEM_MAX] asm(CH_SMEM_NAME);

CH_BODY void suspend(bool for_ever) {
  Fiber& f = *self.f;
  Engine& e = *self.e;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &f.fake, e.host_stack, e.host_bytes);
#endif
  ch_switch(&f.context, &e.context);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(f.fake, &e.host_stack, &e.host_bytes);
#endif
  (void)for_ever;
}
// Gives the launch up: called by a fiber it does not return.
CH_BODY void fail(const char* format, ...) {
  Engine& e = *self.e;
  Fiber* f = self.f;
  int n = snprintf(message, sizeof message, "kernel %s, block (%u,%u,%u)", e.kernel, e.block_idx.x, e.block_idx.y, e.block_idx.z);
  if (f) n += snprintf(message + n, sizeof message - n, ", thread (%u,%u,%u)", f->tid.x, f->tid.y, f->tid.z);
  n += snprintf(message + n, sizeof message - n, ": ");
  va_list list;
  va_start(list, format);
  vsnprintf(message + n, sizeof message - n, format, list);
  va_end(list);
  e.failed = true;
  if (f) { f->wait = Wait::done; suspend(true); }
}
CH_BODY void entry() {
  Engine& e = *self.e;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &e.host_stack, &e.host_bytes);
#endif
  e.call(e.args);
  self.f->wait = Wait::done;
  suspend(true);
}
CH_BODY void resume(Engine& e, Fiber& f) {
  if (!f.started) {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(f.stack, STACK);
#endif
    ch_prepare(&f.context, f.stack, STACK, entry);
    f.started = true;
  }
  self.f = &f;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&e.fake, f.stack, STACK);
#endif
  ch_switch(&e.context, &f.context);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(e.fake, nullptr, nullptr);
#endif
  self.f = nullptr;
}
CH_BODY uint64_t wait_for(Wait w, Op op, unsigned mask, uint64_t value, int arg, int width, int line) {
  Fiber& f = *self.f;
  f.wait = w, f.op = op, f.mask = mask, f.value = value, f.arg = arg, f.width = width, f.line = line;
  if (w == Wait::warp && !(mask >> f.lane & 1)) fail("line %d: %s by lane %u, which its own mask %08x does not name", line, name_of(op), f.lane, mask);
  suspend(false);
  return f.result;
}
// ---------------------------------------------------------------- barriers and warp operations, seen from the scheduler
CH_BODY bool settle_block(Engine& e) {
  const Fiber& a = e.fiber[0];
  uint64_t total = 0;
  for (unsigned i = 0; i < e.count; i++) {
    const Fiber& f = e.fiber[i];
    if (f.wait != Wait::block || f.line != a.line || f.op != a.op) return false;
    total += f.value != 0;
  }
  const uint64_t r = a.op == Op::sync_or ? total != 0 : a.op == Op::sync_and ? total == e.count : total;
  for (unsigned i = 0; i < e.count; i++) e.fiber[i].wait = Wait::no, e.fiber[i].result = r;
  e.barriers++;
  return true;
}
CH_BODY bool settle_warp(Fiber* lane, unsigned lanes) {
  bool freed = false;
  for (unsigned i = 0; i < lanes; i++) {
    if (lane[i].wait != Wait::warp) continue;
    const Fiber first = lane[i];
    unsigned here = 0, votes = 0;  // lanes that the mask names and that have not returned; those among them that vote yes
    bool complete = true;
    for (unsigned j = 0; j < lanes && complete; j++) {
      const Fiber& f = lane[j];
      if (!(first.mask >> j & 1) || f.wait == Wait::done) continue;
      complete = f.wait == Wait::warp && f.op == first.op && f.mask == first.mask && f.line == first.line;
      here |= 1u << j, votes |= (f.value != 0 ? 1u : 0u) << j;
    }
    if (!complete) continue;
    for (unsigned j = 0; j < lanes; j++) {
      if (!(here >> j & 1)) continue;
      Fiber& f = lane[j];
      const int base = j & ~(f.width - 1), me = j;
      int from = me;
      switch (f.op) {
        case Op::shfl: from = base | (f.arg & (f.width - 1)); break;
        case Op::up:   from = me - f.arg < base ? me : me - f.arg; break;
        case Op::down: from = me + f.arg >= base + f.width ? me : me + f.arg; break;
        case Op::bfly: from = (me ^ f.arg) >= base + f.width ? me : me ^ f.arg; break;
        case Op::ballot: f.result = votes; break;
        case Op::any: f.result = votes != 0; break;
        case Op::all: f.result = votes == here; break;
        default: f.syncwarps++;
      }
      if (f.op >= Op::shfl && f.op <= Op::bfly) {
        if (!(here >> from & 1)) {
          self.f = &f;
          Engine& e = *self.e;
          self.f = nullptr;
          fail("line %d: %s: lane %d of warp %u reads lane %d, which takes no part (mask %08x, taking part %08x, block of %u threads)",
               f.line, name_of(f.op), me, f.warp, from, f.mask, here, e.count);
          return true;
        }
        f.result = lane[from].value;
      }
    }
    for (unsigned j = 0; j < lanes; j++) if (here >> j & 1) lane[j].wait = Wait::no;
    freed = true;
  }
  return freed;
}
CH_BODY void report_stuck(Engine& e) {  // names one thread that waits and one that will never join it
  const Fiber *a = nullptr, *b = nullptr;
  for (unsigned i = 0; i < e.count && !a; i++) if (e.fiber[i].wait != Wait::done) a = &e.fiber[i];
  for (unsigned i = 0; i < e.count; i++) {
    const Fiber& f = e.fiber[i];
    const bool wanted = a->wait == Wait::block || (f.warp == a->warp && (a->mask >> f.lane & 1));
    if (wanted && (f.op != a->op || f.line != a->line || f.wait != a->wait || f.mask != a->mask)) { b = &f; break; }
  }
  if (!b) return fail("stuck, and the shim does not know why");
  char other[80];
  if (b->wait == Wait::done) snprintf(other, sizeof other, "has returned");
  else snprintf(other, sizeof other, "waits at %s, line %d, mask %08x", name_of(b->op), b->line, b->mask);
  fail("divergence: thread (%u,%u,%u) waits at %s, line %d, mask %08x, but thread (%u,%u,%u) %s",
       a->tid.x, a->tid.y, a->tid.z, name_of(a->op), a->line, a->mask, b->tid.x, b->tid.y, b->tid.z, other);
}

// ---------------------------------------------------------------- scheduler
template <class T> void shuffle(Engine& e, T* v, size_t n) {
  for (size_t i = n; i > 1; i--) std::swap(v[i - 1], v[e.random() % i]);
}
CH_BODY int tls_range(struct dl_phdr_info* info, size_t, void* out) {  // the thread-local memory of this library, in this OS thread
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)& h = info->dlpi_phdr[i];
    char* p = (char*)info->dlpi_tls_data;
    if (h.p_type != PT_TLS || !p || (char*)&self < p || (char*)&self >= p + h.p_memsz) continue;
    ((char**)out)[0] = p, ((char**)out)[1] = p + h.p_memsz;
    return 1;
  }
  return 0;
}
CH_RAW CH_BODY void poison(char* const* tls, unsigned smem) {  // all shared memory becomes NaN, or -1
  const Self keep = self;
  char* d = (char*)dynamic_smem;
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(d, CH_SMEM_MAX);
#endif
  memset(tls[0], 0xff, d - tls[0]);
  memset(d, 0xff, smem);
  memset(d + CH_SMEM_MAX, 0xff, tls[1] - (d + CH_SMEM_MAX));
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(d + smem, CH_SMEM_MAX - smem);
#endif
  self = keep;
}
CH_BODY void run_block(Engine& e) {
  unsigned idle = 0;
  for (unsigned i = 0; i < e.count; i++) {
    Fiber& f = e.fiber[i];
    const dim3 b = e.block_dim;
    f.tid = {i % b.x, i / b.x % b.y, i / b.x / b.y};
    f.id = i, f.lane = i % 32, f.warp = i / 32, f.wait = Wait::no, f.op = Op::none, f.started = false, f.fake = nullptr, f.syncwarps = 0;
    e.order[i] = self.seed == 1 ? e.count - 1 - i : i;
  }
  e.barriers = 0;
  for (;;) {
    uint32_t sit_out = 0;  // random order: about half of the warps
    if (self.seed > 1) shuffle(e, e.order, e.count), sit_out = (uint32_t)e.random();
    unsigned ready = 0, waiting = 0, done = 0;
    bool moved = false;
    for (unsigned i = 0; i < e.count; i++) {
      Fiber& f = e.fiber[e.order[i]];
      if (f.wait == Wait::no && !(sit_out >> f.warp & 1)) {
        resume(e, f);
        if (e.failed) return;
        moved |= f.wait != Wait::no;
      }
      (f.wait == Wait::no ? ready : f.wait == Wait::done ? done : waiting)++;
    }
    if (done == e.count) return;
    if (waiting) {
      if (settle_block(e)) moved = true;
      else for (unsigned i = 0; i < e.count && !e.failed; i += 32) moved |= settle_warp(e.fiber + i, e.count - i < 32 ? e.count - i : 32);
    }
    if (e.failed) return;
    if (!moved && !ready) return report_stuck(e);
    if (moved) idle = 0;
    else if (++idle > MAX_IDLE) return fail("spins without end: does it wait for another block, or for a lock never released?");
  }
}

// ---------------------------------------------------------------- launching
struct Kernel { void (*call)(void**); const unsigned* sizes; unsigned count; };
static std::map<std::string, Kernel>& kernels() { static std::map<std::string, Kernel> k; return k; }
CH_BODY bool add(const char* name, void (*call)(void**), const unsigned* sizes, unsigned count) { return kernels()[name] = {call, sizes, count}, true; }
static std::mutex& pool_lock() { static std::mutex m; return m; }
static std::vector<Engine*>& pool() { static std::vector<Engine*> p; return p; }
#ifdef CH_CHECK
void check_begin(Engine&, char* const* tls);
#else
CH_BODY void check_begin(Engine&, char* const*) {}
#endif
}  // namespace ch

CH_API CH_BODY void ch_seed(uint64_t seed) { ch::self.seed = seed; }
// The sizes of a kernel's arguments; null if there is no such kernel.
CH_API CH_BODY const unsigned* ch_arguments(const char* name, unsigned* count) {
  auto k = ch::kernels().find(name);
  return k == ch::kernels().end() ? nullptr : (*count = k->second.count, k->second.sizes);
}
// args as in cuLaunchKernel: one pointer to each argument. Null, or what went wrong (valid until this OS thread launches again).
CH_API CH_BODY const char* launch(const char* name, const unsigned* grid, const unsigned* block, unsigned smem, void** args) {
  using namespace ch;
  auto k = kernels().find(name);
  const uint64_t threads = (uint64_t)block[0] * block[1] * block[2], blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  const char* bad = k == kernels().end() ? "no such kernel" : !threads || threads > MAX_THREADS || block[2] > 64 ? "block size"
    : !blocks || grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535 ? "grid size" : smem > CH_SMEM_MAX ? "dynamic shared memory" : nullptr;
  if (bad) return snprintf(message, sizeof message, "kernel %s: %s", name, bad), message;
  Engine* e = nullptr;
  { std::lock_guard<std::mutex> g(pool_lock()); if (!pool().empty()) e = pool().back(), pool().pop_back(); }
  if (!e) e = new Engine;
  if (ch_take_stacks) e->use(ch_take_stacks());
  e->kernel = k->first.c_str(), e->call = k->second.call, e->args = args, e->smem = smem, e->count = (unsigned)threads, e->failed = false;
  e->grid_dim = {grid[0], grid[1], grid[2]}, e->block_dim = {block[0], block[1], block[2]};
  e->rng = self.seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
  self.e = e, self.f = nullptr;
  char* tls[2] = {};
  dynamic_smem[0] = 0;
  if (!dl_iterate_phdr(tls_range, tls)) { fputs("cuda_host: thread-local memory not found: build a shared library\n", stderr); abort(); }
  std::vector<uint32_t> turn;  // the blocks' order
  if (self.seed > 1) { for (uint64_t i = 0; i < blocks; i++) turn.push_back((uint32_t)i); shuffle(*e, turn.data(), blocks); }
  check_begin(*e, tls);
  for (uint64_t n = 0; n < blocks && !e->failed; n++, e->serial++) {
    const uint64_t i = self.seed == 0 ? n : self.seed == 1 ? blocks - 1 - n : turn[n];
    e->block_idx = {(unsigned)(i % grid[0]), (unsigned)(i / grid[0] % grid[1]), (unsigned)(i / grid[0] / grid[1])};
    poison(tls, smem);
    run_block(*e);
  }
  const bool failed = e->failed;
  self.e = nullptr;
  if (ch_give_stacks) ch_give_stacks(e->stacks);
  std::lock_guard<std::mutex> g(pool_lock());
  pool().push_back(e);
  return failed ? message : nullptr;
}
