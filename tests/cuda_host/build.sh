#!/bin/sh
# build.sh FOLDER: builds the emulated driver and compiler into FOLDER, and the header that kernels are compiled with.
set -e
here=$(cd "$(dirname "$0")" && pwd); out=$1
mkdir -p "$out"
cp "$here"/cuda_*.h "$out"
g++ -O1 -std=c++17 -fPIC -shared -fvisibility=hidden -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" "$here/driver.cpp" -ldl
g++ -O1 -std=c++17 -fPIC -shared -fvisibility=hidden -Wl,-soname,libnvrtc.so.13 -DRUSTNN_CUDA_HOST="\"$out\"" -o "$out/libnvrtc.so.13" "$here/nvrtc.cpp"
# Kernels are compiled with the same flags as nvrtc.cpp names, or the header would not be taken.
g++ -O0 -std=c++17 -fPIC -fwrapv -fvisibility=hidden -fno-gnu-unique -fno-extern-tls-init -Wno-unknown-pragmas -w -DCH_LINKED -x c++-header -o "$out/cuda_host.h.gch" "$here/cuda_host.h"
g++ -O2 -std=c++17 -fPIC -fwrapv -fvisibility=hidden -fno-extern-tls-init -DCH_LINKED -c -o "$out/scheduler.o" "$here/scheduler.cpp"
