// QR by Householder reflections H = I - tau v v^H, with LAPACK's choice of signs: v starts with one, and the diagonal of R
// is real. Panels of up to 32 columns; ops/cuda/linalg/qr.rs applies them to the rest by products of matrices.
namespace rn {
// One block a matrix: R above, the tails of the vectors below the diagonal.
template <class T> __device__ __forceinline__ void qr_panel(Part<T> a, Part<T> tau, int m, int w) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    a = a.of(blockIdx.x);
    tau = tau.of(blockIdx.x);
    for (int j = 0; j < w && j < m; j++) {
        // Scaled, so that squares neither overflow nor vanish.
        double largest = 0;
        for (int i = j + 1 + threadIdx.x; i < m; i += blockDim.x) {
            const double size = pivot_size(a(i, j));
            largest = size > largest || size != size ? size : largest;
        }
        largest = block_sum<true>(largest);
        const T alpha = a(j, j);
        if (largest == 0 && imaginary_part(alpha) == 0) {
            if (threadIdx.x == 0) tau(j, 0) = T(0.0);
            __syncthreads();
            continue;
        }
        const double scale = largest > pivot_size(alpha) ? largest : pivot_size(alpha);
        double sum = 0;
        for (int i = j + threadIdx.x; i < m; i += blockDim.x) sum += square_modulus(from_parts<T>(real_part(a(i, j)) / scale, imaginary_part(a(i, j)) / scale));
        sum = block_sum(sum);
        const double length = scale * sqrt(sum), beta = real_part(alpha) >= 0 ? -length : length;
        const T factor = from_parts<T>((beta - real_part(alpha)) / beta, -imaginary_part(alpha) / beta), divisor = alpha - T(beta);
        __syncthreads();   // everybody has read alpha
        for (int i = j + 1 + threadIdx.x; i < m; i += blockDim.x) a(i, j) = a(i, j) / divisor;
        if (threadIdx.x == 0) { a(j, j) = T(beta); tau(j, 0) = factor; }
        __syncthreads();
        // The adjoint of H meets the columns to the right, a warp each.
        for (int c = j + 1 + warp; c < w; c += warps) {
            T dot = lane == 0 ? a(j, c) : T(0.0);
            for (int i = j + 1 + lane; i < m; i += 32) dot = dot + conj(a(i, j)) * a(i, c);
            dot = conj(factor) * warp_sum(dot);
            if (lane == 0) a(j, c) = a(j, c) - dot;
            for (int i = j + 1 + lane; i < m; i += 32) a(i, c) = a(i, c) - a(i, j) * dot;
        }
        __syncthreads();
    }
}

// The vectors of a panel, with their ones and zeros, as matrices of their own with contiguous columns.
template <class T> __device__ __forceinline__ void reflectors(Part<T> a, T* v, int m, int w, long long total) {
    for (long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x; e < total; e += (long long)gridDim.x * blockDim.x) {
        const int i = (int)(e % m), j = (int)(e / m % w);
        v[e] = i > j ? a.of(e / ((long long)m * w))(i, j) : T(i == j ? 1.0 : 0.0);
    }
}

// The triangular factor F of a product of reflections I - V F V^H, from the products V^H V; one warp a matrix, a lane a
// row. Row-major, or the adjoint of that.
template <class T> __device__ __forceinline__ void reflector_factor(const T* products, Part<T> tau, T* factor, int w, int adjoint) {
    __shared__ T f[32][33];
    const int i = threadIdx.x;
    products += (long long)blockIdx.x * w * w;
    factor += (long long)blockIdx.x * w * w;
    tau = tau.of(blockIdx.x);
    if (i >= w) return;
    for (int j = 0; j < w; j++) {
        T value = T(0.0);
        for (int k = i; k < j; k++) value = value - f[i][k] * products[k * w + j];
        value = i == j ? tau(j, 0) : value * tau(j, 0);
        f[i][j] = value;
        if (adjoint) factor[j * w + i] = conj(value);
        else factor[i * w + j] = value;
    }
}
}  // namespace rn
