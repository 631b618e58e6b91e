#!/bin/sh
# build.sh FOLDER: builds the emulated driver and compiler into FOLDER, and the header that kernels are compiled with.
set -e
here=$(cd "$(dirname "$0")" && pwd); out=$1
# The header is taken only by kernels that are compiled with the same flags.
flags="-std=c++17 -fPIC -fwrapv -fvisibility=hidden -fno-gnu-unique -fno-extern-tls-init -Wno-unknown-pragmas -w -DCH_LINKED"
plain="-O0 $flags"
checked="-O1 -g1 $flags -DCH_CHECK -ftrivial-auto-var-init=pattern -fsanitize=thread,bounds --param tsan-distinguish-volatile=1 --param tsan-instrument-func-entry-exit=0"
mkdir -p "$out/cuda_host.h.gch"
cp "$here"/cuda_*.h "$out"
g++ -O1 -std=c++17 -fPIC -shared -fvisibility=hidden -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" "$here/driver.cpp" -ldl
g++ -O1 -std=c++17 -fPIC -shared -fvisibility=hidden -Wl,-soname,libnvrtc.so.13 -DRUSTNN_CUDA_HOST="\"$out\"" -DPLAIN="\"$plain\"" -DCHECKED="\"$checked\"" -o "$out/libnvrtc.so.13" "$here/nvrtc.cpp"
g++ $plain -x c++-header -o "$out/cuda_host.h.gch/plain" "$here/cuda_host.h"
g++ $checked -x c++-header -o "$out/cuda_host.h.gch/checked" "$here/cuda_host.h"
scheduler="-O2 -std=c++17 -fPIC -fwrapv -fvisibility=hidden -fno-extern-tls-init -DCH_LINKED -c"
g++ $scheduler -o "$out/scheduler.o" "$here/scheduler.cpp"
g++ $scheduler -DCH_CHECK -o "$out/scheduler_checked.o" "$here/scheduler.cpp"
