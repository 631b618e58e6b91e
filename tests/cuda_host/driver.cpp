// NVIDIA's driver, as far as rustnn calls it, on a machine without a GPU: memory is the host's, streams do their work
// at once, and a "cubin" is the path of a shared library that nvrtc.cpp made. Everything above the driver runs as it
// would on a card: loading, allocating, choosing and launching kernels, copying, and the kernels' own logic.
// RUSTNN_EMULATED_BYTES limits the memory (default 2 GiB).
#include "cuda_engine.h"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <chrono>
#include <map>
#include <mutex>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
typedef int Result;
enum : Result {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
  NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719,
};

namespace {
std::mutex lock;
std::map<uint64_t, size_t> blocks;   // memory in use, by address
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
  return at + bytes <= after->first + after->second;
}
struct Module {
  void* library;
  const char* (*launch)(const char*, const unsigned*, const unsigned*, unsigned, void**);
};
struct Function {
  Module* module;
  std::string name;
};
struct Event {
  std::chrono::steady_clock::time_point at;
};
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

API Result cuInit(unsigned) { return SUCCESS; }
API Result cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
API Result cuGetErrorName(Result, const char** text) { return *text = "CUDA_ERROR", SUCCESS; }
API Result cuGetErrorString(Result code, const char** text) {
  switch (code) {
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case INVALID_DEVICE: *text = "invalid device ordinal"; break;
    case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
    case LAUNCH_FAILED: *text = launch_error.c_str(); break;
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
API Result cuCtxSynchronize() { return SUCCESS; }

API Result cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  std::lock_guard<std::mutex> guard(lock);
  if (bytes == 0) return INVALID_VALUE;
  if (bytes > capacity() - in_use) return OUT_OF_MEMORY;
  void* memory = aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (!memory) return OUT_OF_MEMORY;
  memset(memory, 0xff, bytes < (64 << 20) ? bytes : 64 << 20);   // NaN: nobody may count on zeros
  in_use += bytes;
  blocks[*address = (uint64_t)memory] = bytes;
  return SUCCESS;
}
API Result cuMemFree_v2(uint64_t address) {
  std::lock_guard<std::mutex> guard(lock);
  auto block = blocks.find(address);
  if (block == blocks.end()) return INVALID_VALUE;
  in_use -= block->second;
  blocks.erase(block);
  free((void*)address);
  return SUCCESS;
}
API Result cuMemGetInfo_v2(size_t* available, size_t* total) {
  std::lock_guard<std::mutex> guard(lock);
  return *total = capacity(), *available = capacity() - in_use, SUCCESS;
}
API Result cuMemAllocHost_v2(void** memory, size_t bytes) { return (*memory = malloc(bytes)) ? SUCCESS : OUT_OF_MEMORY; }
API Result cuMemHostAlloc(void** memory, size_t bytes, unsigned) { return (*memory = malloc(bytes)) ? SUCCESS : OUT_OF_MEMORY; }
API Result cuMemFreeHost(void* memory) { return free(memory), SUCCESS; }
API Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) {
  return reachable(to, bytes) ? (memcpy((void*)to, from, bytes), SUCCESS) : ILLEGAL_ADDRESS;
}
API Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) {
  return reachable(from, bytes) ? (memcpy(to, (void*)from, bytes), SUCCESS) : ILLEGAL_ADDRESS;
}
API Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void*) {
  return reachable(to, bytes) && reachable(from, bytes) ? (memmove((void*)to, (void*)from, bytes), SUCCESS) : ILLEGAL_ADDRESS;
}
API Result cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void*) {
  return reachable(to, bytes) ? (memset((void*)to, value, bytes), SUCCESS) : ILLEGAL_ADDRESS;
}

API Result cuStreamCreate(void** stream, unsigned) { return *stream = new int(0), SUCCESS; }
API Result cuStreamCreateWithPriority(void** stream, unsigned, int) { return *stream = new int(0), SUCCESS; }
API Result cuStreamDestroy_v2(void* stream) { return delete (int*)stream, SUCCESS; }
API Result cuStreamSynchronize(void*) { return SUCCESS; }
API Result cuStreamQuery(void*) { return SUCCESS; }
API Result cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }
API Result cuCtxGetStreamPriorityRange(int* least, int* greatest) { return *least = 0, *greatest = -5, SUCCESS; }
API Result cuEventCreate(void** event, unsigned) { return *event = new Event{}, SUCCESS; }
API Result cuEventDestroy_v2(void* event) { return delete (Event*)event, SUCCESS; }
API Result cuEventRecord(void* event, void*) { return ((Event*)event)->at = std::chrono::steady_clock::now(), SUCCESS; }
API Result cuEventQuery(void*) { return SUCCESS; }
API Result cuEventSynchronize(void*) { return SUCCESS; }
API Result cuEventElapsedTime(float* ms, void* start, void* end) {
  return *ms = std::chrono::duration<float, std::milli>(((Event*)end)->at - ((Event*)start)->at).count(), SUCCESS;
}
API Result cuEventElapsedTime_v2(float* ms, void* start, void* end) { return cuEventElapsedTime(ms, start, end); }

API Result cuModuleLoadData(void** module, const void* image) {
  void* library = dlopen((const char*)image, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fprintf(stderr, "emulated driver: %s\n", dlerror()), INVALID_IMAGE;
  Module* made = new Module{library, nullptr};
  made->launch = (decltype(made->launch))dlsym(library, "launch");
  return made->launch ? (*module = made, SUCCESS) : INVALID_IMAGE;
}
API Result cuModuleUnload(void*) { return SUCCESS; }
API Result cuModuleGetFunction(void** function, void* module, const char* name) {
  return *function = new Function{(Module*)module, name}, SUCCESS;
}
API Result cuFuncSetAttribute(void*, int, int) { return SUCCESS; }
API Result cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, void*, void** arguments, void**) {
  const Function* f = (const Function*)function;
  const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
  const char* error = f->module->launch(f->name.c_str(), grid, block, shared, arguments);
  if (!error) return SUCCESS;
  std::lock_guard<std::mutex> guard(lock);
  launch_error = error;
  return LAUNCH_FAILED;
}
