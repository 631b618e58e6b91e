// NVIDIA's driver, as far as rustnn calls it, on a machine without a GPU: memory is the host's, streams do their work
// at once, and a "cubin" is the path of a shared library that nvrtc.cpp made. Everything above the driver runs as it
// would on a card: loading, allocating, choosing and launching kernels, copying, and the kernels' own logic.
// A stream that is captured does nothing: it writes down what it was asked for, which graphs do when they are launched.
// Calls that a capture forbids fail and spoil it, as they do on a card.
// RUSTNN_EMULATED_BYTES limits the memory (default 2 GiB).
#include "cuda_engine.h"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <mutex>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
typedef int Result;
enum : Result {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
  NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719, ILLEGAL_STATE = 401,
  CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_UNMATCHED = 903, CAPTURE_UNJOINED = 904, CAPTURED_EVENT = 907,
};

namespace {
std::mutex lock;
struct Block {
  size_t bytes;
  void* cells;   // what cuda_check.h knows of it
};
std::map<uint64_t, Block> blocks, host_blocks;   // memory in use, by address
size_t in_use = 0;
std::string launch_error;

size_t capacity() {
  const char* text = getenv("RUSTNN_EMULATED_BYTES");
  return text ? strtoull(text, nullptr, 10) : 2ull << 30;
}
// Whether the bytes lie in one block: what a card would answer with an illegal address.
bool reachable(uint64_t at, size_t bytes) {
  if (bytes == 0) return true;
  std::lock_guard<std::mutex> guard(lock);
  auto after = blocks.upper_bound(at);
  if (after == blocks.begin()) return false;
  --after;
  return at + bytes <= after->first + after->second.bytes;
}
struct Module {
  void* library;
  const char* (*launch)(const char*, const unsigned*, const unsigned*, unsigned, void**);
  const unsigned* (*arguments)(const char*, unsigned*);
};
struct Function {
  Module* module;
  std::string name;
};
typedef std::function<Result()> Work;
struct Stream;
struct Capture {
  uint64_t id;
  Stream* origin;
  int mode;                   // 0: global, 1: of the thread, 2: relaxed
  bool spoilt = false;
  std::set<Stream*> joined;   // further streams, until the first one waits for them
  std::set<Stream*> streams;  // all further streams
  std::vector<Work> work;
};
struct Stream {
  std::shared_ptr<Capture> capture;
};
struct Event {
  std::chrono::steady_clock::time_point at;
  std::shared_ptr<Capture> capture;   // recorded in a captured stream
  Stream* stream = nullptr;
};
std::set<std::shared_ptr<Capture>> captures;   // those under way
thread_local int thread_mode = 0;

// What a stream does now, or in the graph that it is captured into.
Result enqueue(void* stream, Work work) {
  if (stream && ((Stream*)stream)->capture) return ((Stream*)stream)->capture->work.push_back(std::move(work)), SUCCESS;
  return work();
}
// A call that waits, or may: a strict capture forbids it to threads that have not said that they know.
bool forbidden() {
  if (thread_mode == 2) return false;
  bool found = false;
  std::lock_guard<std::mutex> guard(lock);
  for (auto& c : captures) if (c->mode < 2) found = c->spoilt = true;
  return found;
}
Result spoil(Capture& c) { return c.spoilt = true, CAPTURE_UNSUPPORTED; }
}  // namespace

// Stacks for the threads of a block, lent to one launch at a time: all kernels' libraries use the same ones.
namespace {
std::vector<char*> stacks;
}
API char* ch_take_stacks() {
  std::lock_guard<std::mutex> guard(lock);
  if (stacks.empty()) return ch::Engine::make_stacks();
  char* memory = stacks.back();
  stacks.pop_back();
  return memory;
}
API void ch_give_stacks(char* memory) {
  std::lock_guard<std::mutex> guard(lock);
  stacks.push_back(memory);
}

// For cuda_check.h.
API bool ch_block_around(const void* p, size_t cell_bytes, char** from, char** to, void** cells, char* near, size_t length) {
  std::lock_guard<std::mutex> guard(lock);
  snprintf(near, length, ", which is no memory of the GPU");
  for (auto* all : {&blocks, &host_blocks}) {
    auto after = all->upper_bound((uint64_t)p);
    if (after != all->end() && after->first - (uint64_t)p < 4096) snprintf(near, length, ", %zu bytes before a block of %zu", (size_t)(after->first - (uint64_t)p), after->second.bytes);
    if (after == all->begin()) continue;
    --after;
    const size_t offset = (uint64_t)p - after->first;
    Block& b = after->second;
    if (offset < b.bytes) {
      if (!b.cells) b.cells = calloc(b.bytes / 4 + 1, cell_bytes);
      return *from = (char*)after->first, *to = *from + b.bytes, *cells = b.cells, true;
    }
    if (offset - b.bytes < 4096) snprintf(near, length, ", %zu bytes after the end of a block of %zu", offset - b.bytes, b.bytes);
  }
  return false;
}
API uint64_t ch_numbers(uint64_t count) {
  static uint64_t next = 1;
  std::lock_guard<std::mutex> guard(lock);
  return next += count, next - count;
}

API Result cuInit(unsigned) { return SUCCESS; }
API Result cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
API Result cuGetErrorName(Result, const char** text) { return *text = "CUDA_ERROR", SUCCESS; }
API Result cuGetErrorString(Result code, const char** text) {
  switch (code) {
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case INVALID_DEVICE: *text = "invalid device ordinal"; break;
    case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
    case LAUNCH_FAILED: *text = launch_error.c_str(); break;
    case CAPTURE_UNSUPPORTED: *text = "operation not permitted when stream is capturing"; break;
    case CAPTURE_INVALIDATED: *text = "operation failed due to a previous error during capture"; break;
    case CAPTURE_UNJOINED: *text = "capturing stream has unjoined work"; break;
    case CAPTURED_EVENT: *text = "operation not permitted on an event last recorded in a capturing stream"; break;
    default: *text = "error of the emulated driver";
  }
  return SUCCESS;
}
API Result cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
API Result cuDeviceGet(int* device, int index) { return index == 0 ? (*device = 0, SUCCESS) : INVALID_DEVICE; }
API Result cuDeviceGetName(char* name, int bytes, int) { return snprintf(name, bytes, "Emulated GPU"), SUCCESS; }
API Result cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = capacity(), SUCCESS; }
API Result cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 75: *value = 9; break;            // compute capability
    case 76: *value = 0; break;
    case 16: *value = 4; break;            // multiprocessors
    case 39: *value = 2048; break;         // threads of each
    case 82: *value = 65536; break;        // registers of each
    case 8: *value = 48 << 10; break;      // shared memory of a block
    case 81: *value = 228 << 10; break;    // shared memory of a multiprocessor
    case 38: *value = 32 << 20; break;     // L2 cache
    default: *value = 1;
  }
  return SUCCESS;
}
API Result cuDevicePrimaryCtxRetain(void** context, int) { return *context = (void*)0x1, SUCCESS; }
API Result cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
API Result cuCtxSetCurrent(void*) { return SUCCESS; }
API Result cuCtxGetCurrent(void** context) { return *context = (void*)0x1, SUCCESS; }
API Result cuCtxSynchronize() {
  std::lock_guard<std::mutex> guard(lock);
  for (auto& c : captures) c->spoilt = true;
  return captures.empty() ? SUCCESS : CAPTURE_UNSUPPORTED;
}

API Result cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (forbidden()) return CAPTURE_UNSUPPORTED;
  std::lock_guard<std::mutex> guard(lock);
  if (bytes == 0) return INVALID_VALUE;
  if (bytes > capacity() - in_use) return OUT_OF_MEMORY;
  void* memory = aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (!memory) return OUT_OF_MEMORY;
  memset(memory, 0xff, bytes < (64 << 20) ? bytes : 64 << 20);   // NaN: nobody may count on zeros
  in_use += bytes;
  blocks[*address = (uint64_t)memory] = {bytes, nullptr};
  return SUCCESS;
}
API Result cuMemFree_v2(uint64_t address) {
  if (forbidden()) return CAPTURE_UNSUPPORTED;
  std::lock_guard<std::mutex> guard(lock);
  auto block = blocks.find(address);
  if (block == blocks.end()) return INVALID_VALUE;
  in_use -= block->second.bytes;
  free(block->second.cells);
  blocks.erase(block);
  free((void*)address);
  return SUCCESS;
}
API Result cuMemGetInfo_v2(size_t* available, size_t* total) {
  std::lock_guard<std::mutex> guard(lock);
  return *total = capacity(), *available = capacity() - in_use, SUCCESS;
}
API Result cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  if (forbidden()) return CAPTURE_UNSUPPORTED;
  if (!(*memory = malloc(bytes))) return OUT_OF_MEMORY;
  std::lock_guard<std::mutex> guard(lock);
  return host_blocks[(uint64_t)*memory] = {bytes, nullptr}, SUCCESS;
}
API Result cuMemFreeHost(void* memory) {
  if (forbidden()) return CAPTURE_UNSUPPORTED;
  std::lock_guard<std::mutex> guard(lock);
  auto block = host_blocks.find((uint64_t)memory);
  if (block == host_blocks.end()) return INVALID_VALUE;
  free(block->second.cells);
  host_blocks.erase(block);
  return free(memory), SUCCESS;
}
API Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  return enqueue(stream, [=] { return reachable(to, bytes) ? (memcpy((void*)to, from, bytes), SUCCESS) : ILLEGAL_ADDRESS; });
}
API Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  return enqueue(stream, [=] { return reachable(from, bytes) ? (memcpy(to, (void*)from, bytes), SUCCESS) : ILLEGAL_ADDRESS; });
}
API Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  return enqueue(stream, [=] { return reachable(to, bytes) && reachable(from, bytes) ? (memmove((void*)to, (void*)from, bytes), SUCCESS) : ILLEGAL_ADDRESS; });
}
API Result cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void* stream) {
  return enqueue(stream, [=] { return reachable(to, bytes) ? (memset((void*)to, value, bytes), SUCCESS) : ILLEGAL_ADDRESS; });
}

API Result cuStreamCreate(void** stream, unsigned) { return *stream = new Stream, SUCCESS; }
API Result cuStreamCreateWithPriority(void** stream, unsigned, int) { return *stream = new Stream, SUCCESS; }
API Result cuStreamDestroy_v2(void* stream) { return delete (Stream*)stream, SUCCESS; }
API Result cuStreamSynchronize(void* stream) {
  return stream && ((Stream*)stream)->capture ? spoil(*((Stream*)stream)->capture) : SUCCESS;
}
API Result cuStreamQuery(void* stream) { return cuStreamSynchronize(stream); }
API Result cuCtxGetStreamPriorityRange(int* least, int* greatest) { return *least = 0, *greatest = -5, SUCCESS; }
API Result cuEventCreate(void** event, unsigned) { return *event = new Event{}, SUCCESS; }
API Result cuEventDestroy_v2(void* event) { return delete (Event*)event, SUCCESS; }
API Result cuEventRecord(void* event, void* stream) {
  Event& e = *(Event*)event;
  e.at = std::chrono::steady_clock::now();
  e.stream = (Stream*)stream;
  e.capture = stream ? e.stream->capture : nullptr;
  return SUCCESS;
}
API Result cuEventQuery(void* event) { return ((Event*)event)->capture ? CAPTURED_EVENT : forbidden() ? CAPTURE_UNSUPPORTED : SUCCESS; }
API Result cuEventSynchronize(void* event) { return cuEventQuery(event); }
API Result cuStreamWaitEvent(void* stream, void* event, unsigned) {
  Event& e = *(Event*)event;
  if (!e.capture) return SUCCESS;
  if (!stream) return spoil(*e.capture);
  Stream* s = (Stream*)stream;
  if (!s->capture) {   // the stream joins the capture
    s->capture = e.capture;
    e.capture->joined.insert(s), e.capture->streams.insert(s);
  } else if (s->capture != e.capture) return spoil(*e.capture);
  else e.capture->joined.erase(e.stream);
  return SUCCESS;
}
API Result cuEventElapsedTime(float* ms, void* start, void* end) {
  return *ms = std::chrono::duration<float, std::milli>(((Event*)end)->at - ((Event*)start)->at).count(), SUCCESS;
}
API Result cuEventElapsedTime_v2(float* ms, void* start, void* end) { return cuEventElapsedTime(ms, start, end); }

API Result cuModuleLoadData(void** module, const void* image) {
  if (forbidden()) return CAPTURE_UNSUPPORTED;
  void* library = dlopen((const char*)image, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fprintf(stderr, "emulated driver: %s\n", dlerror()), INVALID_IMAGE;
  Module* made = new Module{library, nullptr, nullptr};
  made->launch = (decltype(made->launch))dlsym(library, "launch");
  made->arguments = (decltype(made->arguments))dlsym(library, "ch_arguments");
  return made->launch && made->arguments ? (*module = made, SUCCESS) : INVALID_IMAGE;
}
API Result cuModuleUnload(void*) { return SUCCESS; }
API Result cuModuleGetFunction(void** function, void* module, const char* name) {
  return *function = new Function{(Module*)module, name}, SUCCESS;
}
API Result cuFuncSetAttribute(void*, int, int) { return SUCCESS; }
API Result cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, void* stream, void** arguments, void**) {
  const Function* f = (const Function*)function;
  const auto launch = [=](void** arguments) -> Result {
    const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
    const char* error = f->module->launch(f->name.c_str(), grid, block, shared, arguments);
    if (!error) return SUCCESS;
    std::lock_guard<std::mutex> guard(lock);
    launch_error = error;
    return LAUNCH_FAILED;
  };
  if (!stream || !((Stream*)stream)->capture) return launch(arguments);
  unsigned count = 0;
  const unsigned* sizes = f->module->arguments(f->name.c_str(), &count);
  if (!sizes) return INVALID_VALUE;
  // Copies of the arguments, which the caller's are not for long.
  std::vector<std::vector<uint64_t>> kept;
  for (unsigned i = 0; i < count; i++) {
    kept.emplace_back((sizes[i] + 15) / 8 + 1);
    memcpy((void*)(((uintptr_t)kept[i].data() + 15) & ~(uintptr_t)15), arguments[i], sizes[i]);
  }
  auto shared_copies = std::make_shared<std::vector<std::vector<uint64_t>>>(std::move(kept));
  return enqueue(stream, [launch, shared_copies] {
    std::vector<void*> pointers;
    for (auto& copy : *shared_copies) pointers.push_back((void*)(((uintptr_t)copy.data() + 15) & ~(uintptr_t)15));
    return launch(pointers.data());
  });
}

// ---- graphs ----
API Result cuThreadExchangeStreamCaptureMode(int* mode) { return std::swap(*mode, thread_mode), SUCCESS; }
API Result cuStreamBeginCapture_v2(void* stream, int mode) {
  Stream* s = (Stream*)stream;
  if (!s) return CAPTURE_UNSUPPORTED;
  if (s->capture) return ILLEGAL_STATE;
  static uint64_t last = 0;
  std::lock_guard<std::mutex> guard(lock);
  s->capture = std::make_shared<Capture>();
  s->capture->id = ++last, s->capture->origin = s, s->capture->mode = mode;
  captures.insert(s->capture);
  return SUCCESS;
}
API Result cuStreamGetCaptureInfo_v3(void* stream, int* status, uint64_t* id, void**, const void***, const void**, size_t*) {
  Capture* c = stream ? ((Stream*)stream)->capture.get() : nullptr;
  *status = c ? c->spoilt ? 2 : 1 : 0;
  if (c && id) *id = c->id;
  return SUCCESS;
}
API Result cuStreamIsCapturing(void* stream, int* status) { return cuStreamGetCaptureInfo_v3(stream, status, nullptr, nullptr, nullptr, nullptr, nullptr); }
API Result cuStreamEndCapture(void* stream, void** graph) {
  Stream* s = (Stream*)stream;
  *graph = nullptr;
  if (!s || !s->capture) return ILLEGAL_STATE;
  std::shared_ptr<Capture> c = s->capture;
  if (c->origin != s) return c->spoilt = true, CAPTURE_UNMATCHED;
  std::lock_guard<std::mutex> guard(lock);
  captures.erase(c);
  const bool unjoined = !c->joined.empty();
  for (Stream* other : c->joined) other->capture = nullptr;
  s->capture = nullptr;
  for (Stream* other : c->streams) if (other->capture == c) other->capture = nullptr;
  if (c->spoilt) return CAPTURE_INVALIDATED;
  if (unjoined) return CAPTURE_UNJOINED;
  return *graph = new std::vector<Work>(std::move(c->work)), SUCCESS;
}
API Result cuGraphGetNodes(void* graph, void**, size_t* count) { return *count = ((std::vector<Work>*)graph)->size(), SUCCESS; }
API Result cuGraphInstantiateWithFlags(void** launchable, void* graph, unsigned long long) {
  return *launchable = new std::vector<Work>(*(std::vector<Work>*)graph), SUCCESS;
}
API Result cuGraphLaunch(void* launchable, void* stream) {
  if (stream && ((Stream*)stream)->capture) return spoil(*((Stream*)stream)->capture);
  for (auto& work : *(std::vector<Work>*)launchable) if (Result error = work()) return error;
  return SUCCESS;
}
API Result cuGraphDestroy(void* graph) { return delete (std::vector<Work>*)graph, SUCCESS; }
API Result cuGraphExecDestroy(void* launchable) { return delete (std::vector<Work>*)launchable, SUCCESS; }
API Result cuGraphDebugDotPrint(void* graph, const char* path, unsigned) {
  FILE* file = fopen(path, "w");
  if (!file) return INVALID_VALUE;
  fputs("digraph dot {\n", file);
  for (size_t i = 0; i < ((std::vector<Work>*)graph)->size(); i++) fprintf(file, "\"node%zu\"\n", i);
  return fputs("}\n", file), fclose(file), SUCCESS;
}
