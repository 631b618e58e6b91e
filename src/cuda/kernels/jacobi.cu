// Jacobi's rotations from one side (M. R. Hestenes, 1958): pairs of columns of W are made orthogonal until all are, and V
// is turned alike, so that W = A V. In each of n - 1 rounds every column is in one pair: the rotations of a round do not
// meet, and their order does not matter.
namespace rn {
// The two columns of a pair in a round, n even: the last stays, the others go around it.
__device__ __forceinline__ void find_pair(int pair, int round, int n, int& p, int& q) {
    const int around = n - 1;
    p = pair == 0 ? n - 1 : (round + pair) % around;
    q = (round + around - pair) % around;
}

// A warp, or a block of 256, makes columns x and y orthogonal. Returns whether they were not.
template <bool BLOCK, class T>
__device__ __forceinline__ bool rotate(T* x, T* y, int m, T* vx, T* vy, int n, double tolerance) {
    const int first = BLOCK ? threadIdx.x : threadIdx.x % 32, step = BLOCK ? blockDim.x : 32;
    double xx = 0, yy = 0;
    T xy = T(0.0);
    for (int i = first; i < m; i += step) {
        const T a = x[i], b = y[i];
        xx += square_modulus(a);
        yy += square_modulus(b);
        xy = xy + conj(a) * b;
    }
    if constexpr (BLOCK) { xx = block_sum(xx); yy = block_sum(yy); xy = block_sum(xy); }
    else { xx = warp_sum(xx); yy = warp_sum(yy); xy = warp_sum(xy); }
    const double size = sqrt(square_modulus(xy));
    // Columns that have all but vanished stay; so does what is not a number.
    if (!(size > tolerance * sqrt(xx) * sqrt(yy)) || xx < 1e-280 || yy < 1e-280) return false;
    const T phase = scaled(conj(xy), 1 / size);
    const double zeta = (yy - xx) / (2 * size);
    const double t = (zeta >= 0 ? 1.0 : -1.0) / (abs(zeta) + sqrt(1 + zeta * zeta));
    const double c = 1 / sqrt(1 + t * t), s = c * t;
    for (int i = first; i < m; i += step) {
        const T a = x[i], b = phase * y[i];
        x[i] = scaled(a, c) - scaled(b, s);
        y[i] = scaled(a, s) + scaled(b, c);
    }
    for (int i = first; i < n; i += step) {
        const T a = vx[i], b = phase * vy[i];
        vx[i] = scaled(a, c) - scaled(b, s);
        vy[i] = scaled(a, s) + scaled(b, c);
    }
    return true;
}

// All sweeps over a small matrix, one block a matrix and a warp a pair. V (v_rows, n) may have no rows. `turned` says
// whether the last sweep still turned anything.
template <class T>
__device__ __forceinline__ void jacobi_sweeps(T* w, T* v, int* turned, int m, int n, int v_rows, double tolerance, int sweeps) {
    w += (long long)blockIdx.x * m * n;
    v += (long long)blockIdx.x * v_rows * n;
    const int even = n + n % 2;
    int any = 1;
    for (int sweep = 0; sweep < sweeps && any; sweep++) {
        any = 0;
        for (int round = 0; round < even - 1; round++) {
            for (int pair = threadIdx.x / 32; pair < even / 2; pair += blockDim.x / 32) {
                int p, q;
                find_pair(pair, round, even, p, q);
                if (p < n && q < n)
                    any |= rotate<false>(w + (long long)p * m, w + (long long)q * m, m, v + (long long)p * v_rows, v + (long long)q * v_rows, v_rows, tolerance);
            }
            __syncthreads();
        }
        any = __syncthreads_or(any);
    }
    if (threadIdx.x == 0) turned[blockIdx.x] = any;
}

// One round of a large matrix: a block a pair. `turned` counts what was turned in this sweep, `last` in the one before.
template <class T>
__device__ __forceinline__ void jacobi_round(T* w, T* v, int* turned, const int* last, int m, int n, int v_rows, double tolerance, int round) {
    const int even = n + n % 2, matrix = blockIdx.x / (even / 2);
    int p, q;
    find_pair(blockIdx.x % (even / 2), round, even, p, q);
    if (p >= n || q >= n || last[matrix] == 0) return;
    w += (long long)matrix * m * n;
    v += (long long)matrix * v_rows * n;
    const bool any = rotate<true>(w + (long long)p * m, w + (long long)q * m, m, v + (long long)p * v_rows, v + (long long)q * v_rows, v_rows, tolerance);
    if (any && threadIdx.x == 0) atomicAdd(&turned[matrix], 1);
}
}  // namespace rn
