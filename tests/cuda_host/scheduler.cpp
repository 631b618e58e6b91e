// The works of the emulated machine, for all kernels: linked to each of them.
#define CH_BODY
#include "cuda_scheduler.h"
