// NVIDIA's run-time compiler, as far as rustnn calls it, on a machine without a GPU: the text of a kernel goes through
// g++ with cuda_host.h before it, and the "cubin" is the path of the shared library that comes out. Libraries are kept
// in the folder RUSTNN_EMULATED_KERNELS by the hash of their text. With RUSTNN_EMULATED_CHECK every access of a kernel to
// memory is looked at: see cuda_check.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
typedef int Result;
enum : Result { SUCCESS = 0, COMPILATION = 6 };

struct Program {
  std::string source, log, cubin;
};

static std::string folder(const char* variable, const char* otherwise) {
  const char* text = getenv(variable);
  return text && *text ? text : otherwise;
}

API Result nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, SUCCESS; }
API const char* nvrtcGetErrorString(Result) { return "error of the emulated compiler"; }
API Result nvrtcCreateProgram(Program** program, const char* source, const char*, int, const char* const*, const char* const*) {
  return *program = new Program{source, "", ""}, SUCCESS;
}
API Result nvrtcDestroyProgram(Program** program) { return delete *program, *program = nullptr, SUCCESS; }
API Result nvrtcCompileProgram(Program* p, int, const char* const*) {
  const std::string kept = folder("RUSTNN_EMULATED_KERNELS", "/tmp"), headers = folder("RUSTNN_CUDA_HOST", RUSTNN_CUDA_HOST);
  // Every kernel is made known by its name.
  std::string text = p->source;
  const std::regex kernel(R"(__global__ void (__launch_bounds__\([^)]*\) )?(\w+)\()");
  for (std::sregex_iterator at(p->source.begin(), p->source.end(), kernel), end; at != end; ++at) text += "CH_KERNEL(" + (*at)[2].str() + ")\n";
  const bool checked = *folder("RUSTNN_EMULATED_CHECK", "").c_str();
  char name[64];
  snprintf(name, sizeof name, "/%016zx%s", std::hash<std::string>{}(text), checked ? "-checked" : "");
  const std::string base = kept + name, library = base + ".so", own = base + "." + std::to_string(getpid());
  struct stat there;
  if (stat(library.c_str(), &there) != 0) {
    std::ofstream(own + ".cpp") << text;
    // The header is compiled once, by whoever builds this library: RUSTNN_CUDA_HOST holds cuda_host.h.gch. What is checked is
    // linked by itself, as the sanitizer's own library is not wanted.
    const std::string flags = checked ? CHECKED : PLAIN;
    const std::string command = "{ g++ " + flags + " -c -I" + headers + " -include cuda_host.h -o " + own + ".o " + own + ".cpp && g++ -shared -o " + own + ".so " + own + ".o " + headers +
      (checked ? "/scheduler_checked.o" : "/scheduler.o") + " && mv " + own + ".so " + library + "; } 2> " + own + ".log";
    const int failed = system(command.c_str());
    std::stringstream log;
    log << std::ifstream(own + ".log").rdbuf();
    p->log = log.str();
    for (const char* end : {".cpp", ".o", ".log"}) remove((own + end).c_str());
    if (failed) return COMPILATION;
  }
  return p->cubin = library, SUCCESS;
}
API Result nvrtcGetCUBINSize(Program* p, size_t* bytes) { return *bytes = p->cubin.size() + 1, SUCCESS; }
API Result nvrtcGetCUBIN(Program* p, char* out) { return memcpy(out, p->cubin.c_str(), p->cubin.size() + 1), SUCCESS; }
API Result nvrtcGetProgramLogSize(Program* p, size_t* bytes) { return *bytes = p->log.size() + 1, SUCCESS; }
API Result nvrtcGetProgramLog(Program* p, char* out) { return memcpy(out, p->log.c_str(), p->log.size() + 1), SUCCESS; }
