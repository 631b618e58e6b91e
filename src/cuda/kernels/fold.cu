// Blocks of planes laid out side by side (im2col), and laid over one another (col2im). A sum is gathered by the element it
// ends in, block after block, so that it repeats.
namespace rn {
// Rows first, then columns.
struct Fold {
    Divisor image[2], kernel[2], count[2];
    int stride[2], padding[2], dilation[2];
};

// y: (planes, kernel rows, kernel columns, block rows, block columns).
template <class A>
__device__ __forceinline__ void unfold(A* y, const A* x, Fold f, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    int rest = i, block[2], tap[2];
    for (int axis = 1; axis >= 0; axis--) {
        const int next = f.count[axis].divide(rest);
        block[axis] = rest - next * (int)f.count[axis].by;
        rest = next;
    }
    for (int axis = 1; axis >= 0; axis--) {
        const int next = f.kernel[axis].divide(rest);
        tap[axis] = rest - next * (int)f.kernel[axis].by;
        rest = next;
    }
    int at[2];
    bool inside = true;
    for (int axis = 0; axis < 2; axis++) {
        at[axis] = block[axis] * f.stride[axis] + tap[axis] * f.dilation[axis] - f.padding[axis];
        inside = inside && at[axis] >= 0 && at[axis] < (int)f.image[axis].by;
    }
    const long long plane = (long long)rest * f.image[0].by;
    y[i] = inside ? x[(plane + at[0]) * f.image[1].by + at[1]] : A{};
}

// y: (planes, image rows, image columns).
template <class T, class A>
__device__ __forceinline__ void fold(A* y, const A* x, Fold f, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const int line = f.image[1].divide(i), plane = f.image[0].divide(line);
    const int at[2] = {line - plane * (int)f.image[0].by, i - line * (int)f.image[1].by};
    // Blocks that may reach this far, and how far into the first one of them it is.
    int low[2], high[2];
    for (int axis = 0; axis < 2; axis++) {
        const int place = at[axis] + f.padding[axis], reach = ((int)f.kernel[axis].by - 1) * f.dilation[axis];
        low[axis] = place > reach ? (place - reach - 1) / f.stride[axis] + 1 : 0;
        high[axis] = min(place / f.stride[axis], (int)f.count[axis].by - 1);
    }
    T sum = convert<T>(0);
    for (int row = low[0]; row <= high[0]; row++) {
        const int down = at[0] + f.padding[0] - row * f.stride[0], ky = down / f.dilation[0];
        if (ky * f.dilation[0] != down) continue;
        for (int column = low[1]; column <= high[1]; column++) {
            const int right = at[1] + f.padding[1] - column * f.stride[1], kx = right / f.dilation[1];
            if (kx * f.dilation[1] != right) continue;
            const long long tap = ((long long)plane * f.kernel[0].by + ky) * f.kernel[1].by + kx;
            sum = sum + convert<T>(x[(tap * f.count[0].by + row) * f.count[1].by + column]);
        }
    }
    y[i] = convert<A>(sum);
}
}  // namespace rn
