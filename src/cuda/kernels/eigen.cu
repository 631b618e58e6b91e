// Eigenvalues of general matrices: Hessenberg's form, Schur's by shifted QR steps, and vectors by back substitution
// (Golub and Van Loan, Matrix Computations, 7.4 to 7.6). One block a matrix; scalars are computed by every thread, rows
// and columns are shared out. Matrices have contiguous columns of n elements; those of Z may have none.
namespace rn {
// A = Z H Z^H; Z is the identity beforehand.
template <class T> __device__ __forceinline__ void hessenberg(T* h, T* z, int n, int z_rows) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    h += (long long)blockIdx.x * n * n;
    z += (long long)blockIdx.x * n * z_rows;
    for (int k = 0; k + 2 < n; k++) {
        T* v = h + (long long)k * n;   // the reflection's vector, from row k + 1 on
        double largest = 0, sum = 0;
        for (int i = k + 2 + threadIdx.x; i < n; i += blockDim.x) largest = pivot_size(v[i]) > largest ? pivot_size(v[i]) : largest;
        largest = block_sum<true>(largest);
        const T alpha = v[k + 1];
        if (largest == 0) continue;
        const double scale = largest > pivot_size(alpha) ? largest : pivot_size(alpha);
        for (int i = k + 1 + threadIdx.x; i < n; i += blockDim.x) sum += square_modulus(scaled(v[i], 1 / scale));
        const double length = scale * sqrt(block_sum(sum)), beta = real_part(alpha) >= 0 ? -length : length;
        const T tau = from_parts<T>((beta - real_part(alpha)) / beta, -imaginary_part(alpha) / beta), divisor = alpha - T(beta);
        __syncthreads();   // everybody has read alpha
        for (int i = k + 2 + threadIdx.x; i < n; i += blockDim.x) v[i] = v[i] / divisor;
        if (threadIdx.x == 0) v[k + 1] = T(1.0);
        __syncthreads();
        // From the left, a warp a column.
        for (int c = k + 1 + warp; c < n; c += warps) {
            T* x = h + (long long)c * n;
            T dot = T(0.0);
            for (int i = k + 1 + lane; i < n; i += 32) dot = dot + conj(v[i]) * x[i];
            dot = conj(tau) * warp_sum(dot);
            for (int i = k + 1 + lane; i < n; i += 32) x[i] = x[i] - v[i] * dot;
        }
        __syncthreads();
        // From the right, a thread a row: of H, then of Z.
        for (int r = threadIdx.x; r < n + z_rows; r += blockDim.x) {
            T* x = r < n ? h + r : z + (r - n);
            const long long step = r < n ? n : z_rows;
            T dot = T(0.0);
            for (int c = k + 1; c < n; c++) dot = dot + x[c * step] * v[c];
            dot = dot * tau;
            for (int c = k + 1; c < n; c++) x[c * step] = x[c * step] - dot * conj(v[c]);
        }
        __syncthreads();
        for (int i = k + 1 + threadIdx.x; i < n; i += blockDim.x) v[i] = T(i == k + 1 ? beta : 0.0);
        __syncthreads();
    }
}

// Rows first and first + 1 times (c s; -s* c), from a column on.
template <class T> __device__ __forceinline__ void turn_rows(T* h, int n, int first, int from, double c, T s) {
    for (int j = from + threadIdx.x; j < n; j += blockDim.x) {
        T* x = h + (long long)j * n + first;
        const T a = x[0], b = x[1];
        x[0] = scaled(a, c) + s * b;
        x[1] = scaled(b, c) - conj(s) * a;
    }
}
// Columns first and first + 1 times the adjoint of that, of so many rows.
template <class T> __device__ __forceinline__ void turn_columns(T* h, long long stride, int first, int rows, double c, T s) {
    T *x = h + first * stride, *y = x + stride;
    for (int i = threadIdx.x; i < rows; i += blockDim.x) {
        const T a = x[i], b = y[i];
        x[i] = scaled(a, c) + conj(s) * b;
        y[i] = scaled(b, c) - s * a;
    }
}

// The sum of all absolute values.
template <class T> __device__ __forceinline__ double absolute_sum(const T* h, int n) {
    double sum = 0;
    for (long long e = threadIdx.x; e < (long long)n * n; e += blockDim.x) sum += pivot_size(h[e]);
    return block_sum(sum);
}

constexpr double EPSILON = 2.220446049250313e-16;
constexpr int MOST_STEPS = 60;   // for one eigenvalue

// The first row of the part that ends with row `last` and has no small element below its diagonal.
template <class T> __device__ __forceinline__ int part_start(const T* h, int n, int last, double norm) {
    int l = last;
    for (; l > 0; l--) {
        double size = pivot_size(h[(long long)(l - 1) * n + l - 1]) + pivot_size(h[(long long)l * n + l]);
        if (size == 0) size = norm;
        if (pivot_size(h[(long long)(l - 1) * n + l]) <= EPSILON * size) break;
    }
    return l;
}

// Steps with one shift, for complex numbers.
template <class R> __device__ __forceinline__ int qr_steps(Complex<R>* h, Complex<R>* z, Complex<R>* values, int n, int z_rows) {
    typedef Complex<R> T;
    const auto at = [&](int i, int j) -> T& { return h[(long long)j * n + i]; };
    const double norm = absolute_sum(h, n);
    int steps = 0;
    for (int last = n - 1; last >= 0;) {
        const int l = part_start(h, n, last, norm);
        __syncthreads();
        if (l > 0 && threadIdx.x == 0) at(l, l - 1) = T(0.0);
        if (l == last) {
            if (threadIdx.x == 0) values[last] = at(last, last);
            last--;
            steps = 0;
            __syncthreads();
            continue;
        }
        if (++steps > MOST_STEPS) return last + 1;
        // The eigenvalue of the last block of two that is nearer to its corner.
        const T a = at(last - 1, last - 1), b = at(last - 1, last), c = at(last, last - 1), d = at(last, last);
        T shift = d;
        if (steps % 10 == 0) shift = d + T(pivot_size(c));
        else {
            const T half = (a - d) * T(0.5), root = sqrt(half * half + b * c);
            const T one = half + root, other = half - root, larger = square_modulus(one) > square_modulus(other) ? one : other;
            if (nonzero(larger)) shift = d - b * c / larger;
        }
        T x = at(l, l) - shift, y = at(l + 1, l);
        __syncthreads();
        for (int k = l; k < last; k++) {
            if (k > l) { x = at(k, k - 1); y = at(k + 1, k - 1); }
            const double size_x = hypot(x.re, x.im), size_y = hypot(y.re, y.im), size = hypot(size_x, size_y);
            double cosine = 1;
            T sine = T(0.0), phase = T(1.0);
            if (size_y != 0) {
                if (size_x != 0) phase = scaled(x, 1 / size_x);
                cosine = size_x / size;
                sine = scaled(phase * conj(y), 1 / size);
            } else if (size_x != 0) phase = scaled(x, 1 / size_x);
            turn_rows(h, n, k, k, cosine, sine);
            __syncthreads();
            if (k > l && threadIdx.x == 0) { at(k, k - 1) = scaled(phase, size); at(k + 1, k - 1) = T(0.0); }
            turn_columns(h, n, k, (k + 2 < last ? k + 2 : last) + 1, cosine, sine);
            turn_columns(z, z_rows, k, z_rows, cosine, sine);
            __syncthreads();
        }
    }
    return 0;
}

// Double steps with two shifts at once, for real numbers: blocks of two on the diagonal are left where eigenvalues are
// a conjugate pair.
__device__ __forceinline__ int qr_steps(double* h, double* z, Complex<double>* values, int n, int z_rows) {
    const auto at = [&](int i, int j) -> double& { return h[(long long)j * n + i]; };
    const double norm = absolute_sum(h, n);
    double shifted = 0;   // what was taken from the diagonal
    int steps = 0;
    for (int last = n - 1; last >= 0;) {
        const int l = part_start(h, n, last, norm);
        __syncthreads();
        if (l > 0 && threadIdx.x == 0) at(l, l - 1) = 0;
        if (l == last) {
            if (threadIdx.x == 0) {
                at(last, last) += shifted;
                values[last] = Complex<double>(at(last, last), 0.0);
            }
            last--;
            steps = 0;
            __syncthreads();
            continue;
        }
        double x = at(last, last), y = at(last - 1, last - 1), w = at(last, last - 1) * at(last - 1, last);
        if (l == last - 1) {
            const double p = (y - x) / 2, q = p * p + w, root = sqrt(abs(q)), below = at(last, last - 1);
            x += shifted;
            __syncthreads();
            if (threadIdx.x == 0) {
                at(last, last) += shifted;
                at(last - 1, last - 1) += shifted;
                values[last - 1] = Complex<double>(x + p, root);
                values[last] = Complex<double>(x + p, -root);
            }
            __syncthreads();
            if (q >= 0) {
                const double far = p >= 0 ? p + root : p - root, size = hypot(below, far);
                if (threadIdx.x == 0) {
                    values[last - 1] = Complex<double>(x + far, 0.0);
                    values[last] = Complex<double>(far != 0 ? x - w / far : x + far, 0.0);
                }
                turn_rows(h, n, last - 1, last - 1, far / size, below / size);
                __syncthreads();
                turn_columns(h, n, last - 1, last + 1, far / size, below / size);
                turn_columns(z, z_rows, last - 1, z_rows, far / size, below / size);
                __syncthreads();
                if (threadIdx.x == 0) at(last, last - 1) = 0;
            }
            last -= 2;
            steps = 0;
            __syncthreads();
            continue;
        }
        if (++steps > MOST_STEPS) return last + 1;
        if (steps % 10 == 0) {   // shifts that ought to end a cycle
            const double size = abs(at(last, last - 1)) + abs(at(last - 1, last - 2)), by = x;
            shifted += by;
            __syncthreads();
            for (int i = threadIdx.x; i <= last; i += blockDim.x) at(i, i) -= by;
            __syncthreads();
            x = y = 0.75 * size;
            w = -0.4375 * size * size;
        }
        // Two small elements below the diagonal, one after the other.
        double p = 0, q = 0, r = 0;
        int m = last - 2;
        for (;; m--) {
            const double d = at(m, m), to_x = x - d, to_y = y - d;
            p = (to_x * to_y - w) / at(m + 1, m) + at(m, m + 1);
            q = at(m + 1, m + 1) - d - to_x - to_y;
            r = at(m + 2, m + 1);
            const double size = abs(p) + abs(q) + abs(r);
            if (size > 0) { p /= size; q /= size; r /= size; }
            if (m == l) break;
            if (abs(at(m, m - 1)) * (abs(q) + abs(r)) < EPSILON * abs(p) * (abs(at(m - 1, m - 1)) + abs(d) + abs(at(m + 1, m + 1)))) break;
        }
        __syncthreads();
        for (int i = m + 2 + threadIdx.x; i <= last; i += blockDim.x) {
            at(i, i - 2) = 0;
            if (i > m + 2) at(i, i - 3) = 0;
        }
        __syncthreads();
        for (int k = m; k < last; k++) {
            const bool three = k != last - 1;
            double size = 1;
            if (k != m) {
                p = at(k, k - 1), q = at(k + 1, k - 1), r = three ? at(k + 2, k - 1) : 0;
                size = abs(p) + abs(q) + abs(r);
                if (size == 0) continue;
                p /= size, q /= size, r /= size;
            }
            const double length = sqrt(p * p + q * q + r * r), s = p < 0 ? -length : length;
            if (s == 0) continue;
            const double corner = k > 0 ? at(k, k - 1) : 0;
            const double first = (p + s) / s, second = q / s, third = r / s, to_second = q / (p + s), to_third = r / (p + s);
            for (int j = k + threadIdx.x; j < n; j += blockDim.x) {
                double* c = &at(k, j);
                const double dot = c[0] + to_second * c[1] + (three ? to_third * c[2] : 0);
                c[0] -= dot * first;
                c[1] -= dot * second;
                if (three) c[2] -= dot * third;
            }
            __syncthreads();
            if (threadIdx.x == 0) {
                if (k != m) {
                    at(k, k - 1) = -s * size;
                    at(k + 1, k - 1) = 0;
                    if (three) at(k + 2, k - 1) = 0;
                } else if (l != m) at(k, k - 1) = -corner;
            }
            const int rows = (last < k + 3 ? last : k + 3) + 1;
            for (int i = threadIdx.x; i < rows + z_rows; i += blockDim.x) {
                double* c = i < rows ? &at(i, k) : z + (long long)k * z_rows + i - rows;
                const long long step = i < rows ? n : z_rows;
                const double dot = first * c[0] + second * c[step] + (three ? third * c[2 * step] : 0);
                c[0] -= dot;
                c[step] -= dot * to_second;
                if (three) c[2 * step] -= dot * to_third;
            }
            __syncthreads();
        }
    }
    return 0;
}

// A = Z T Z^H with T upper triangular, but for pairs of real matrices. `info` is zero, or the order of what was left.
template <class T> __device__ __forceinline__ void schur(T* h, T* z, Complex<double>* values, int* info, int n, int z_rows) {
    const int left = qr_steps(h + (long long)blockIdx.x * n * n, z + (long long)blockIdx.x * n * z_rows, values + (long long)blockIdx.x * n, n, z_rows);
    if (threadIdx.x == 0) info[blockIdx.x] = left;
}

// Makes what `schur` left of a real matrix, by now as complex numbers, triangular.
template <class T> __device__ __forceinline__ void split_pairs(T* h, T* z, const T* values, int n) {
    h += (long long)blockIdx.x * n * n;
    z += (long long)blockIdx.x * n * n;
    values += (long long)blockIdx.x * n;
    for (int k = 0; k + 1 < n; k++) {
        if (values[k].im <= 0) continue;
        // The first column of the rotation is the vector of the first eigenvalue.
        T* corner = h + (long long)k * n + k;
        const double below = corner[1].re;
        const T x = values[k] - corner[n + 1];
        const double size = hypot(hypot(x.re, x.im), below), size_x = hypot(x.re, x.im);
        // (c s; -s* c) takes (x, below) to its first row, up to a phase.
        const T phase = size_x == 0 ? T(1.0) : scaled(x, 1 / size_x);
        const T sine = scaled(phase, below / size);
        __syncthreads();
        turn_rows(h, n, k, k, size_x / size, sine);
        __syncthreads();
        turn_columns(h, n, k, k + 2, size_x / size, sine);
        turn_columns(z, n, k, n, size_x / size, sine);
        __syncthreads();
        if (threadIdx.x == 0) {
            corner[0] = values[k];
            corner[1] = T(0.0);
            corner[n + 1] = values[k + 1];
        }
        __syncthreads();
    }
}

// Eigenvectors of upper triangular matrices, a warp each.
template <class T> __device__ __forceinline__ void triangular_vectors(const T* h, T* vectors, int n) {
    const int matrix = blockIdx.x / n, k = blockIdx.x % n, lane = threadIdx.x;
    h += (long long)matrix * n * n;
    T* x = vectors + ((long long)matrix * n + k) * n;
    const T value = h[(long long)k * n + k];
    // A gap that is none would be a division by zero.
    const double least = value == T(0.0) ? 1e-290 : EPSILON * pivot_size(value);
    for (int i = lane; i < n; i += 32) x[i] = i < k ? -h[(long long)k * n + i] : T(i == k ? 1.0 : 0.0);
    __syncwarp();
    for (int i = k - 1; i >= 0; i--) {
        T gap = h[(long long)i * n + i] - value;
        if (pivot_size(gap) < least) gap = T(least);
        T found = x[i] / gap;
        const double shrink = pivot_size(found) > 1e100 ? 1 / pivot_size(found) : 1.0;
        found = scaled(found, shrink);
        __syncwarp();
        for (int r = lane; r < n; r += 32) {
            const T other = scaled(x[r], shrink);
            x[r] = r == i ? found : r < i ? other - h[(long long)i * n + r] * found : other;
        }
        __syncwarp();
    }
}
}  // namespace rn
