// One step of a recurrent layer, element by element, and its gradient: the twin of cpu::recurrent. A thread has one element
// of the state of one sequence.
namespace rn {
enum Cell { TANH, RELU, LSTM, GRU };

// gates: the inputs' contribution to the sums, and afterwards what the gates let through. contribution: that of the old
// state. Every row of the others is `width` long. hidden and cells are changed in place; the old ones go to `before`.
template <int CELL, class T>
__device__ __forceinline__ void recurrent_step(T* gates, const T* contribution, T* hidden, T* hidden_before, T* outputs, T* cells,
                                               T* cells_before, T* kept, int width, long long n) {
    constexpr int GATES = CELL == LSTM ? 4 : CELL == GRU ? 3 : 1;
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long row = i / width, at = row * GATES * width + (i - row * width);
    T sum[GATES];
#pragma unroll
    for (int k = 0; k < GATES; k++) sum[k] = gates[at + k * width];
    const T old = hidden[i];
    T out;
    if constexpr (CELL == TANH) {
        out = sum[0] = tanh(sum[0] + contribution[at]);
    } else if constexpr (CELL == RELU) {
        out = sum[0] = positive_part(sum[0] + contribution[at]);
    } else if constexpr (CELL == LSTM) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const T s = sum[k] + contribution[at + k * width];
            sum[k] = k == 2 ? tanh(s) : sigmoid(s);
        }
        const T before = cells[i], now = sum[1] * before + sum[0] * sum[2], bounded = tanh(now);
        cells_before[i] = before;
        cells[i] = now;
        kept[i] = bounded;
        out = sum[3] * bounded;
    } else {
        const T through = contribution[at + 2 * width];
        sum[0] = sigmoid(sum[0] + contribution[at]);
        sum[1] = sigmoid(sum[1] + contribution[at + width]);
        sum[2] = tanh(sum[2] + sum[0] * through);
        kept[i] = through;
        out = sum[2] + sum[1] * (old - sum[2]);
    }
#pragma unroll
    for (int k = 0; k < GATES; k++) gates[at + k * width] = sum[k];
    hidden_before[i] = old;
    hidden[i] = out;
    outputs[i] = out;
}

// for_hidden: in, the gradient of the new state; out, what of the old one's comes past the contribution. for_output may be
// null. for_contribution is for_gates itself unless the cell is GRU.
template <int CELL, class T>
__device__ __forceinline__ void recurrent_gradient(T* for_gates, T* for_contribution, T* for_hidden, T* for_cells, const T* for_output,
                                                   const T* gates, const T* kept, const T* hidden_before, const T* cells_before,
                                                   int width, long long n) {
    constexpr int GATES = CELL == LSTM ? 4 : CELL == GRU ? 3 : 1;
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const long long row = i / width, at = row * GATES * width + (i - row * width);
    const T one = T(1.0), dh = for_hidden[i] + (for_output ? for_output[i] : T(0.0));
    if constexpr (CELL == TANH) {
        const T h = gates[at];
        for_gates[at] = dh * (one - h * h);
        for_hidden[i] = T(0.0);
    } else if constexpr (CELL == RELU) {
        for_gates[at] = gates[at] <= T(0.0) ? T(0.0) : dh;
        for_hidden[i] = T(0.0);
    } else if constexpr (CELL == LSTM) {
        const T in = gates[at], keep = gates[at + width], fresh = gates[at + 2 * width], out = gates[at + 3 * width], bounded = kept[i];
        const T dc = for_cells[i] + dh * out * (one - bounded * bounded);
        for_gates[at] = dc * fresh * in * (one - in);
        for_gates[at + width] = dc * cells_before[i] * keep * (one - keep);
        for_gates[at + 2 * width] = dc * in * (one - fresh * fresh);
        for_gates[at + 3 * width] = dh * bounded * out * (one - out);
        for_cells[i] = dc * keep;
        for_hidden[i] = T(0.0);
    } else {
        const T r = gates[at], z = gates[at + width], fresh = gates[at + 2 * width];
        const T for_n = dh * (one - z) * (one - fresh * fresh), for_z = dh * (hidden_before[i] - fresh) * z * (one - z);
        const T for_r = for_n * kept[i] * r * (one - r);
        for_gates[at] = for_contribution[at] = for_r;
        for_gates[at + width] = for_contribution[at + width] = for_z;
        for_gates[at + 2 * width] = for_n;
        for_contribution[at + 2 * width] = for_n * r;
        for_hidden[i] = dh * z;
    }
}
}  // namespace rn
