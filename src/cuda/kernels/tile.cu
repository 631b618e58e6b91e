// Products of matrices tile by tile, whatever the operands are made of: matrices with strides (gemm.cu), images under
// the windows of a convolution (conv.cu). A block of 256 threads computes a square tile. Operands go through shared
// memory, two buffers in turn: the loads of the next part are under way while one is multiplied.
//
// An operand has positions (rows of the left one, columns of the right one) and a depth, which is summed over:
//   BY_DEPTH           whether neighbouring threads read along the depth, or along the positions
//   VECTORS            whether get8 exists and `vectors` says where it may be used
//   position(i)        what can be known of a position beforehand
//   depth(k, end)      what can be known of a depth beforehand
//   get(p, d)          the element; zero outside
// An output has column(j), what can be known of a column beforehand, and write(column, row, value).
namespace rn {
// The tile of a block: eight rows of tiles are run through column by column, so that what they read stays in the cache.
struct Tile { int row, column; };
__device__ __forceinline__ Tile find_tile(int id, int rows, int columns) {
    const int band = id / (8 * columns), first = band * 8, high = rows - first < 8 ? rows - first : 8;
    const int rest = id - first * columns;
    return {first + rest % high, rest / high};
}

// ---- numbers of any type: each thread multiplies R x R elements in registers ----
template <int TILE, int DEEP, class Operand> struct Fetch {
    static constexpr int PER_THREAD = TILE * DEEP / 256;
    typename Operand::Position positions[Operand::BY_DEPTH ? PER_THREAD : 1];
    typename Operand::Element held[PER_THREAD];
    __device__ __forceinline__ Fetch(const Operand& operand, int first) {
        if constexpr (Operand::BY_DEPTH) {
#pragma unroll
            for (int e = 0; e < PER_THREAD; e++) positions[e] = operand.position(first + threadIdx.x / DEEP + e * (256 / DEEP));
        } else {
            positions[0] = operand.position(first + threadIdx.x % TILE);
        }
    }
    __device__ __forceinline__ void load(const Operand& operand, int k, int end) {
        if constexpr (Operand::BY_DEPTH) {
            const typename Operand::Depth d = operand.depth(k + threadIdx.x % DEEP, end);
#pragma unroll
            for (int e = 0; e < PER_THREAD; e++) held[e] = operand.get(positions[e], d);
        } else {
#pragma unroll
            for (int e = 0; e < PER_THREAD; e++)
                held[e] = operand.get(positions[0], operand.depth(k + threadIdx.x / TILE + e * (256 / TILE), end));
        }
    }
    template <class T, int PITCH> __device__ __forceinline__ void store(T (*to)[PITCH]) const {
#pragma unroll
        for (int e = 0; e < PER_THREAD; e++) {
            const int i = threadIdx.x + e * 256;
            if constexpr (Operand::BY_DEPTH) to[i % DEEP][i / DEEP] = convert<T>(held[e]);
            else to[i / TILE][i % TILE] = convert<T>(held[e]);
        }
    }
};

// The sum over depths begin to end; R is 4 or 8, the tile 16 R.
template <class T, int R, int DEEP, class A, class B, class Out>
__device__ __forceinline__ void tile_product(const A& a, const B& b, const Out& out, Tile tile, int begin, int end) {
    constexpr int TILE = 16 * R, PITCH = TILE + 4;
    __shared__ __align__(sizeof(T) * 4) T left[2][DEEP][PITCH];
    __shared__ __align__(sizeof(T) * 4) T right[2][DEEP][PITCH];
    const int my_row = threadIdx.x / 16 * 4, my_column = threadIdx.x % 16 * 4;
    T sum[R][R];
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int j = 0; j < R; j++) sum[i][j] = T(0.0);
    if (begin < end) {
        Fetch<TILE, DEEP, A> from_a(a, tile.row * TILE);
        Fetch<TILE, DEEP, B> from_b(b, tile.column * TILE);
        from_a.load(a, begin, end);
        from_b.load(b, begin, end);
        from_a.store(left[0]);
        from_b.store(right[0]);
        __syncthreads();
        int buffer = 0;
        for (int k = begin; k < end; k += DEEP) {
            const bool more = k + DEEP < end;
            if (more) {
                from_a.load(a, k + DEEP, end);
                from_b.load(b, k + DEEP, end);
            }
#pragma unroll
            for (int d = 0; d < DEEP; d++) {
                Pack<T, 4> x[R / 4], y[R / 4];
#pragma unroll
                for (int i = 0; i < R / 4; i++) {
                    x[i] = *(const Pack<T, 4>*)&left[buffer][d][i * 64 + my_row];
                    y[i] = *(const Pack<T, 4>*)&right[buffer][d][i * 64 + my_column];
                }
#pragma unroll
                for (int i = 0; i < R; i++)
#pragma unroll
                    for (int j = 0; j < R; j++) sum[i][j] = sum[i][j] + x[i / 4].v[i % 4] * y[j / 4].v[j % 4];
            }
            if (more) {
                // The other buffer was read before the last barrier.
                buffer ^= 1;
                from_a.store(left[buffer]);
                from_b.store(right[buffer]);
                __syncthreads();
            }
        }
    }
#pragma unroll
    for (int j = 0; j < R; j++) {
        const typename Out::Column column = out.column(tile.column * TILE + j / 4 * 64 + my_column + j % 4);
#pragma unroll
        for (int i = 0; i < R; i++) out.write(column, tile.row * TILE + i / 4 * 64 + my_row + i % 4, sum[i][j]);
    }
}

// ---- float16 and bfloat16: tensor cores, sums in float32 ----
// sum += a b, 16 x 8 elements of 16 products each; fragments as PTX lays them out over a warp.
template <class E> __device__ __forceinline__ void multiply_fragments(float* sum, const unsigned* a, const unsigned* b) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
    if constexpr (Same<E, f16>::value)
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    // The twin: lane (row, q) has columns 2q and 2q + 1 of a row; what it needs is asked of the lanes that have it.
    const int lane = threadIdx.x % 32, row = lane / 4, q = lane % 4;
#pragma unroll
    for (int from = 0; from < 4; from++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const unsigned top = __shfl_sync(0xffffffffu, a[2 * half], row * 4 + from);
            const unsigned bottom = __shfl_sync(0xffffffffu, a[2 * half + 1], row * 4 + from);
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const unsigned y = __shfl_sync(0xffffffffu, b[half], (2 * q + c) * 4 + from);
#pragma unroll
                for (int part = 0; part < 2; part++) {
                    const float v = widen(E{(unsigned short)(y >> 16 * part)});
                    sum[c] += widen(E{(unsigned short)(top >> 16 * part)}) * v;
                    sum[2 + c] += widen(E{(unsigned short)(bottom >> 16 * part)}) * v;
                }
            }
        }
    }
#endif
}

// Four matrices of 8 x 8 halves: lane i names the start of row i % 8 of matrix i / 8, and gets two elements of row
// i / 4 of each.
template <int PITCH> __device__ __forceinline__ void load_fragments(unsigned* to, const unsigned short (*rows)[PITCH], int row, int column) {
#if defined(__CUDACC__)
    const unsigned at = (unsigned)__cvta_generic_to_shared(&rows[row][column]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
#else
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int its_row = __shfl_sync(0xffffffffu, row, i * 8 + lane / 4), its_column = __shfl_sync(0xffffffffu, column, i * 8 + lane / 4);
        to[i] = *(const unsigned*)&rows[its_row][its_column + lane % 4 * 2];
    }
#endif
}

template <int TILE, class Operand> struct FetchHalves {
    typedef typename Operand::Element E;
    // Chunks of eight depths: of several positions, or of one.
    static constexpr int CHUNKS = TILE * 32 / 256 / 8;
    typename Operand::Position positions[Operand::BY_DEPTH ? CHUNKS : 1];
    Pack<E, 8> held[CHUNKS];
    __device__ __forceinline__ FetchHalves(const Operand& operand, int first) {
        if constexpr (Operand::BY_DEPTH) {
#pragma unroll
            for (int e = 0; e < CHUNKS; e++) positions[e] = operand.position(first + threadIdx.x / 4 + e * 64);
        } else {
            positions[0] = operand.position(first + threadIdx.x % TILE);
        }
    }
    __device__ __forceinline__ void load(const Operand& operand, int k, int end) {
        if constexpr (Operand::BY_DEPTH) {
            k += threadIdx.x % 4 * 8;
            if constexpr (Operand::VECTORS) {
                if (operand.vectors && k + 8 <= end) {
#pragma unroll
                    for (int e = 0; e < CHUNKS; e++) held[e] = operand.get8(positions[e], k);
                    return;
                }
            }
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const typename Operand::Depth d = operand.depth(k + i, end);
#pragma unroll
                for (int e = 0; e < CHUNKS; e++) held[e].v[i] = operand.get(positions[e], d);
            }
        } else {
            k += threadIdx.x / TILE * CHUNKS * 8;
#pragma unroll
            for (int i = 0; i < CHUNKS * 8; i++) held[i / 8].v[i % 8] = operand.get(positions[0], operand.depth(k + i, end));
        }
    }
    template <int PITCH> __device__ __forceinline__ void store(unsigned short (*to)[PITCH]) const {
#pragma unroll
        for (int e = 0; e < CHUNKS; e++) {
            if constexpr (Operand::BY_DEPTH) *(Pack<E, 8>*)&to[threadIdx.x / 4 + e * 64][threadIdx.x % 4 * 8] = held[e];
            else *(Pack<E, 8>*)&to[threadIdx.x % TILE][(threadIdx.x / TILE * CHUNKS + e) * 8] = held[e];
        }
    }
};

// The same by tensor cores; the tile is 64 or 128. Eight warps share it, two high and four wide.
template <class E, int TILE, class A, class B, class Out>
__device__ __forceinline__ void fragment_product(const A& a, const B& b, const Out& out, Tile tile, int begin, int end) {
    constexpr int DEEP = 32, PITCH = DEEP + 8;   // rows that lie 80 bytes apart meet no bank twice
    constexpr int M = TILE / 32, N = TILE / 32;  // fragments of a warp: M x 16 rows, N x 8 columns
    __shared__ __align__(16) unsigned short left[2][TILE][PITCH];
    __shared__ __align__(16) unsigned short right[2][TILE][PITCH];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first_row = warp / 4 * (TILE / 2), first_column = warp % 4 * (TILE / 4);
    float sum[M][N][4];
#pragma unroll
    for (int i = 0; i < M * N * 4; i++) sum[i / (N * 4)][i / 4 % N][i % 4] = 0.0f;
    if (begin < end) {
        FetchHalves<TILE, A> from_a(a, tile.row * TILE);
        FetchHalves<TILE, B> from_b(b, tile.column * TILE);
        from_a.load(a, begin, end);
        from_b.load(b, begin, end);
        from_a.store(left[0]);
        from_b.store(right[0]);
        __syncthreads();
        int buffer = 0;
        for (int k = begin; k < end; k += DEEP) {
            const bool more = k + DEEP < end;
            if (more) {
                from_a.load(a, k + DEEP, end);
                from_b.load(b, k + DEEP, end);
            }
#pragma unroll
            for (int d = 0; d < DEEP; d += 16) {
                unsigned x[M][4], y[N / 2][4];
#pragma unroll
                for (int i = 0; i < M; i++) load_fragments(x[i], left[buffer], first_row + i * 16 + lane % 16, d + lane / 16 * 8);
#pragma unroll
                for (int j = 0; j < N / 2; j++)
                    load_fragments(y[j], right[buffer], first_column + j * 16 + lane / 16 * 8 + lane % 8, d + lane / 8 % 2 * 8);
#pragma unroll
                for (int i = 0; i < M; i++)
#pragma unroll
                    for (int j = 0; j < N; j++) multiply_fragments<E>(sum[i][j], x[i], &y[j / 2][j % 2 * 2]);
            }
            if (more) {
                buffer ^= 1;
                from_a.store(left[buffer]);
                from_b.store(right[buffer]);
                __syncthreads();
            }
        }
    }
#pragma unroll
    for (int j = 0; j < N; j++) {
#pragma unroll
        for (int c = 0; c < 2; c++) {
            const typename Out::Column column = out.column(tile.column * TILE + first_column + j * 8 + lane % 4 * 2 + c);
#pragma unroll
            for (int i = 0; i < M; i++) {
                const int row = tile.row * TILE + first_row + i * 16 + lane / 4;
                out.write(column, row, sum[i][j][c]);
                out.write(column, row + 8, sum[i][j][2 + c]);
            }
        }
    }
}

// By tensor cores, or by what every GPU has; the tile is 16 R.
template <bool MMA, int R, class T, class E, class A, class B, class Out>
__device__ __forceinline__ void product(const A& a, const B& b, const Out& out, Tile tile, int begin, int end) {
    if constexpr (MMA) fragment_product<E, 16 * R>(a, b, out, tile, begin, end);
    else tile_product<T, R, (R == 8 || sizeof(T) > 8 ? 8 : 16)>(a, b, out, tile, begin, end);
}

// ---- matrices with strides ----
template <class E, bool DEPTH> struct Matrix {
    static constexpr bool BY_DEPTH = DEPTH, VECTORS = DEPTH;
    typedef E Element;
    typedef const E* Position;
    typedef long long Depth;
    const E* start;
    long long position_stride, depth_stride;
    int positions;
    bool vectors;   // chunks of eight depths may be read at once
    __device__ __forceinline__ Position position(int i) const { return i < positions ? start + i * position_stride : nullptr; }
    __device__ __forceinline__ Depth depth(int k, int end) const { return k < end ? k * depth_stride : -1; }
    __device__ __forceinline__ E get(Position p, Depth d) const { return p && d >= 0 ? p[d] : E{}; }
    __device__ __forceinline__ Pack<E, 8> get8(Position p, int k) const { return p ? *(const Pack<E, 8>*)(p + k) : Pack<E, 8>{}; }
};

// Rows with neighbouring elements; `pitch` is from one row to the next.
template <class O, class E> struct MatrixOut {
    O* c;
    const E* addend;   // or null
    long long addend_row, addend_column;
    int rows, columns;
    long long pitch;
    bool subtract;   // the product, from the addend
    typedef int Column;
    __device__ __forceinline__ Column column(int j) const { return j < columns ? j : -1; }
    template <class T> __device__ __forceinline__ void write(Column j, int i, T value) const {
        if (j < 0 || i >= rows) return;
        if (addend) {
            const T other = convert<T>(addend[i * addend_row + j * addend_column]);
            value = subtract ? other - value : value + other;
        }
        c[i * pitch + j] = convert<O>(value);
    }
};
}  // namespace rn
