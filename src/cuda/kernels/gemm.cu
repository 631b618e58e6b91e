// C = A B + addend: batches of matrices with any strides. blockIdx.x is the tile; blockIdx.z the batch and, where few
// tiles would have a long depth, the part of the depth, whose sums a second launch adds.
namespace rn {
struct Gemm {
    int m, n, k, part, parts;
    int a_vectors, b_vectors, subtract;
    long long a_batch, a_row, a_column, b_batch, b_row, b_column, addend_batch, addend_row, addend_column;
    long long c_batch, c_row;
};

template <bool MMA, int R, bool A_BY_DEPTH, bool B_BY_DEPTH, class T, class E, class O>
__device__ __forceinline__ void gemm(O* c, const E* a, const E* b, const E* addend, Gemm s) {
    const int batch = blockIdx.z / s.parts, part = blockIdx.z % s.parts, batches = gridDim.z / s.parts;
    const int begin = part * s.part, end = begin + s.part < s.k ? begin + s.part : s.k;
    const Matrix<E, A_BY_DEPTH> left{a + batch * s.a_batch, s.a_row, s.a_column, s.m, s.a_vectors != 0};
    const Matrix<E, B_BY_DEPTH> right{b + batch * s.b_batch, s.b_column, s.b_row, s.n, s.b_vectors != 0};
    const MatrixOut<O, E> out{c + (long long)part * batches * s.m * s.n + batch * s.c_batch, addend ? addend + batch * s.addend_batch : nullptr,
                              s.addend_row, s.addend_column, s.m, s.n, s.c_row, s.subtract != 0};
    const Tile tile = find_tile(blockIdx.x, (s.m + 16 * R - 1) / (16 * R), (s.n + 16 * R - 1) / (16 * R));
    product<MMA, R, T, E>(left, right, out, tile, begin, end);
}
}  // namespace rn
