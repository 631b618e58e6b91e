// Many tensors in one launch: each has blocks of its own, one after the other.
namespace rn {
constexpr int TENSORS = 24, PER_BLOCK = 1024;
// The tensors of a launch: for each the parameter, its gradient and its state; the blocks of a tensor follow each other.
template <class A, int N> struct Group {
    int count;
    int first_block[TENSORS + 1];
    long long size[TENSORS];
    A* slots[TENSORS][N];
    // The tensor of this block, and the block's first element in it.
    __device__ __forceinline__ int tensor(long long& start) const {
        int tensor = 0;
        while (tensor + 1 < count && (int)blockIdx.x >= first_block[tensor + 1]) tensor++;
        start = (long long)(blockIdx.x - first_block[tensor]) * PER_BLOCK;
        return tensor;
    }
};
}  // namespace rn
