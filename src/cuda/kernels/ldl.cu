// P A P^T = L D L^T (or L^H) for symmetric (or Hermitian) matrices, D with blocks of one or two: the twin of
// cpu::linalg::ldl, by the diagonal pivoting of Bunch and Kaufman. Only the lower triangle is read and written.
namespace rn {
template <class T> __device__ __forceinline__ T turned(T x, int hermitian) { return hermitian ? conj(x) : x; }

// One block a matrix. A pivot p > 0 is a block of one that row p was exchanged for, two equal p < 0 are a block of two
// whose second row was exchanged for row -p (from 1).
template <class T> __device__ __forceinline__ void ldl_factor(Part<T> a, int* pivots, int* info, int n, int hermitian) {
    constexpr double THRESHOLD = 0.640388203202208;   // (1 + sqrt(17)) / 8
    __shared__ double sizes[32];
    __shared__ int rows[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    a = a.of(blockIdx.x);
    pivots += (long long)blockIdx.x * n;
    if (hermitian)
        for (int k = threadIdx.x; k < n; k += blockDim.x) a(k, k) = T(real_part(a(k, k)));
    __syncthreads();
    for (int k = 0; k < n;) {
        // Rounding left an imaginary part.
        if (hermitian && threadIdx.x == 0) a(k, k) = T(real_part(a(k, k)));
        __syncthreads();
        // The largest below the diagonal, the first of equals.
        double below = 0;
        int row = k;
        for (int i = k + 1 + threadIdx.x; i < n; i += blockDim.x)
            if (pivot_size(a(i, k)) > below) { below = pivot_size(a(i, k)); row = i; }
        for (int distance = 16; distance > 0; distance /= 2) {
            const double other = across(below, distance);
            const int its_row = __shfl_xor_sync(0xffffffffu, row, distance);
            if (other > below || (other == below && its_row < row)) { below = other; row = its_row; }
        }
        if (lane == 0) { sizes[warp] = below; rows[warp] = row; }
        __syncthreads();
        below = sizes[0], row = rows[0];
        for (int i = 1; i < warps; i++)
            if (sizes[i] > below || (sizes[i] == below && rows[i] < row)) { below = sizes[i]; row = rows[i]; }
        const double own = pivot_size(a(k, k));
        int pivot = k;
        bool wide = false;
        if (!((own > below ? own : below) == 0 || own >= THRESHOLD * below)) {
            double largest = 0;
            for (int i = k + threadIdx.x; i < n; i += blockDim.x) {
                const double size = i < row ? pivot_size(a(row, i)) : i > row ? pivot_size(a(i, row)) : 0.0;
                if (size > largest) largest = size;
            }
            largest = block_sum<true>(largest);
            if (!(own >= THRESHOLD * below * (below / largest))) {
                pivot = row;
                wide = pivot_size(a(row, row)) < THRESHOLD * largest;
            }
        }
        __syncthreads();
        // Exchanges rows and columns `at` and `pivot` of what is left.
        const int at = k + wide;
        if (at != pivot) {
            for (int i = pivot + 1 + threadIdx.x; i < n; i += blockDim.x) {
                const T held = a(i, at);
                a(i, at) = a(i, pivot);
                a(i, pivot) = held;
            }
            for (int j = at + 1 + threadIdx.x; j < pivot; j += blockDim.x) {
                const T held = a(j, at);
                a(j, at) = turned(a(pivot, j), hermitian);
                a(pivot, j) = turned(held, hermitian);
            }
            if (threadIdx.x == 0) {
                a(pivot, at) = turned(a(pivot, at), hermitian);
                const T held = a(at, at);
                a(at, at) = a(pivot, pivot);
                a(pivot, pivot) = held;
                if (at > k) {
                    const T first = a(at, k);
                    a(at, k) = a(pivot, k);
                    a(pivot, k) = first;
                }
            }
        }
        __syncthreads();
        if (!wide) {
            const T value = a(k, k);
            if (threadIdx.x == 0) {
                pivots[k] = pivot + 1;
                if (value == T(0.0) && info[blockIdx.x] == 0) info[blockIdx.x] = k + 1;
            }
            if (value != T(0.0)) {
                for (int j = k + 1 + warp; j < n; j += warps) {
                    const T factor = turned(a(j, k), hermitian) / value;
                    for (int i = j + lane; i < n; i += 32) a(i, j) = a(i, j) - factor * a(i, k);
                }
                __syncthreads();
                for (int i = k + 1 + threadIdx.x; i < n; i += blockDim.x) a(i, k) = a(i, k) / value;
            }
        } else {
            if (threadIdx.x == 0) pivots[k] = pivots[k + 1] = -(pivot + 1);
            // Scaled by d21, so that the determinant neither overflows nor cancels.
            const T d21 = a(k + 1, k), p = a(k + 1, k + 1) / d21, q = a(k, k) / turned(d21, hermitian), t = T(1.0) / (p * q - T(1.0));
            for (int j = k + 2 + warp; j < n; j += warps) {
                const T x = a(j, k), y = a(j, k + 1);
                const T first = turned((p * x - y) * t / turned(d21, hermitian), hermitian), second = turned((q * y - x) * t / d21, hermitian);
                for (int i = j + lane; i < n; i += 32) a(i, j) = a(i, j) - (a(i, k) * first + a(i, k + 1) * second);
            }
            __syncthreads();
            for (int j = k + 2 + threadIdx.x; j < n; j += blockDim.x) {
                const T x = a(j, k), y = a(j, k + 1);
                a(j, k) = (p * x - y) * t / turned(d21, hermitian);
                a(j, k + 1) = (q * y - x) * t / d21;
            }
        }
        __syncthreads();
        k += 1 + wide;
    }
}

// Solves A x = b for one column of B, a warp each, from what ldl_factor left.
template <class T>
__device__ __forceinline__ void ldl_solve(Part<T> a, const int* pivots, Part<T> b, int n, int columns, int hermitian, BadIndex* bad, int operation) {
    const int matrix = blockIdx.x / columns, c = blockIdx.x % columns, lane = threadIdx.x;
    a = a.of(matrix);
    b = b.of(matrix);
    pivots += (long long)matrix * n;
    // Exchanges element k with the one that its pivot names.
    const auto exchange = [&](int k) {
        const int row = (pivots[k] < 0 ? -pivots[k] : pivots[k]) - 1;
        __syncwarp();
        if (lane == 0) {
            if (row < 0 || row >= n) {
                Indexer x = {};
                x.size = n;
                report(bad, operation, x, row);
            } else {
                const T held = b(k, c);
                b(k, c) = b(row, c);
                b(row, c) = held;
            }
        }
        __syncwarp();
    };
    for (int k = 0; k < n;) {
        if (pivots[k] < 0 && k + 1 < n) {
            exchange(k + 1);
            const T first = b(k, c), second = b(k + 1, c);
            for (int i = k + 2 + lane; i < n; i += 32) b(i, c) = b(i, c) - (first * a(i, k) + second * a(i, k + 1));
            const T d21 = a(k + 1, k), p = a(k + 1, k + 1) / d21, q = a(k, k) / turned(d21, hermitian), t = T(1.0) / (p * q - T(1.0));
            const T x = first / turned(d21, hermitian), y = second / d21;
            __syncwarp();
            if (lane == 0) { b(k, c) = (p * x - y) * t; b(k + 1, c) = (q * y - x) * t; }
            k += 2;
        } else {
            exchange(k);
            const T value = b(k, c);
            for (int i = k + 1 + lane; i < n; i += 32) b(i, c) = b(i, c) - value * a(i, k);
            __syncwarp();
            if (lane == 0) b(k, c) = value / a(k, k);
            k += 1;
        }
        __syncwarp();
    }
    for (int end = n; end > 0;) {
        const int width = end > 1 && pivots[end - 1] < 0 ? 2 : 1;
        for (int k = end - width; k < end; k++) {
            T sum = T(0.0);
            for (int i = end + lane; i < n; i += 32) sum = sum + turned(a(i, k), hermitian) * b(i, c);
            sum = warp_sum(sum);
            if (lane == 0) b(k, c) = b(k, c) - sum;
        }
        exchange(end - 1);
        end -= width;
    }
}
}  // namespace rn
