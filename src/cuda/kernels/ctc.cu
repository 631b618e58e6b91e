// The CTC loss (Graves et al., 2006) and its gradient: the twin of cpu::ctc. A block has a sequence, its threads the states of
// the target: a blank, then each label with a blank behind it. All sums are made in an order that sizes alone decide.
namespace rn {
// Where the labels of a sequence begin and how many they are, its time steps, and where its variables begin.
struct Sequence { long long labels, length, time, variables; };
// States of which the last row of variables is kept in shared memory.
constexpr int CTC_ROW = 1024;

template <class R> __device__ __forceinline__ R no_way() { return -R(1) / R(0); }
template <class R> __device__ __forceinline__ R log_sum(R a, R b, R c = no_way<R>()) {
    R largest = a > b ? a : b;
    largest = largest > c ? largest : c;
    if (largest == no_way<R>()) return largest;
    return log(exp(a - largest) + exp(b - largest) + exp(c - largest)) + largest;
}

// What is known of a block's sequence.
template <class R> struct Alignments {
    const long long* labels;
    const R* x;                    // (time, batch, classes), at this sequence
    long long row, classes, blank; // row: from one time step to the next
    int states;
    // A label out of range was reported by the forward pass and counts as a blank.
    __device__ __forceinline__ long long label(int state) const {
        const long long label = state % 2 == 0 ? blank : labels[state / 2];
        return label >= 0 && label < classes ? label : blank;
    }
    // Whether the blank before the label at a state may be left out.
    __device__ __forceinline__ bool skips_to(int state) const {
        return state % 2 == 1 && state >= 3 && labels[state / 2] != labels[state / 2 - 1];
    }
    __device__ __forceinline__ R at(long long t, long long label) const { return x[t * row + label]; }
};

// alpha: rows of states, one a time step.
template <class R>
__device__ __forceinline__ void ctc_forward(R* loss, R* alpha, const R* x, const long long* labels, const Sequence* sequences, long long batch, long long classes, long long blank, BadIndex* bad, int operation) {
    __shared__ R rows[2][CTC_ROW];
    const Sequence s = sequences[blockIdx.x];
    const Alignments<R> a = {labels + s.labels, x + blockIdx.x * classes, batch * classes, classes, blank, (int)(2 * s.length + 1)};
    const Indexer target = {nullptr, classes, 0, 0, 2};
    for (long long i = threadIdx.x; i < s.length; i += blockDim.x)
        if (a.labels[i] < 0 || a.labels[i] >= classes) report(bad, operation, target, a.labels[i]);
    if (s.time == 0) {
        if (threadIdx.x == 0) loss[blockIdx.x] = s.length == 0 ? R(0) : R(1) / R(0);
        return;
    }
    const bool shared = a.states <= CTC_ROW;
    alpha += s.variables;
    // What a thread's first state emits is loaded a step ahead.
    const int own = threadIdx.x;
    const long long label = own < a.states ? a.label(own) : 0;
    const bool skips = own < a.states && a.skips_to(own);
    R ahead = s.time > 1 && own < a.states ? a.at(1, label) : R(0);
    for (int state = threadIdx.x; state < a.states; state += blockDim.x) {
        const R first = state < 2 ? a.at(0, a.label(state)) : no_way<R>();
        alpha[state] = first;
        if (shared) rows[0][state] = first;
    }
    __syncthreads();
    for (long long t = 1; t < s.time; t++) {
        const R* before = shared ? rows[(t - 1) % 2] : alpha + (t - 1) * a.states;
        const R emitted = ahead;
        if (t + 1 < s.time && own < a.states) ahead = a.at(t + 1, label);
        for (int state = threadIdx.x; state < a.states; state += blockDim.x) {
            const bool skip = state == own ? skips : a.skips_to(state);
            const R way = log_sum(before[state], state >= 1 ? before[state - 1] : no_way<R>(), skip ? before[state - 2] : no_way<R>());
            const R now = way + (state == own ? emitted : a.at(t, a.label(state)));
            alpha[t * a.states + state] = now;
            if (shared) rows[t % 2][state] = now;
        }
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    const R* last = alpha + (s.time - 1) * a.states;
    loss[blockIdx.x] = -log_sum(last[a.states - 1], a.states > 1 ? last[a.states - 2] : no_way<R>());
}

// both: alpha + beta. links: of each label where the next equal one is, or -1, and whether it is the first.
template <class R>
__device__ __forceinline__ void ctc_backward(R* both, int* links, const R* alpha, const R* x, const long long* labels, const Sequence* sequences, long long batch, long long classes, long long blank) {
    __shared__ R rows[2][CTC_ROW];
    const Sequence s = sequences[blockIdx.x];
    const Alignments<R> a = {labels + s.labels, x + blockIdx.x * classes, batch * classes, classes, blank, (int)(2 * s.length + 1)};
    for (long long i = threadIdx.x; i < s.length; i += blockDim.x) {
        const long long label = a.labels[i];
        long long next = i + 1, earlier = i - 1;
        while (next < s.length && a.labels[next] != label) next++;
        while (earlier >= 0 && a.labels[earlier] != label) earlier--;
        links[2 * (s.labels + i)] = next < s.length ? (int)next : -1;
        links[2 * (s.labels + i) + 1] = earlier < 0;
    }
    const bool shared = a.states <= CTC_ROW;
    alpha += s.variables;
    both += s.variables;
    const int own = threadIdx.x;
    const long long label = own < a.states ? a.label(own) : 0;
    const bool skips = own + 2 < a.states && a.skips_to(own + 2);
    R ahead = s.time > 0 && own < a.states ? a.at(s.time - 1, label) : R(0);
    for (long long t = s.time - 1; t >= 0; t--) {
        const R emitted = ahead;
        if (t > 0 && own < a.states) ahead = a.at(t - 1, label);
        // Long targets have beta in memory, where alpha is added when all of it is there.
        const R* after = shared ? rows[(t + 1) % 2] : both + (t + 1) * a.states;
        for (int state = threadIdx.x; state < a.states; state += blockDim.x) {
            const R emits = state == own ? emitted : a.at(t, a.label(state));
            R beta = state + 2 >= a.states ? emits : no_way<R>();
            if (t + 1 < s.time) {
                const bool skip = state == own ? skips : state + 2 < a.states && a.skips_to(state + 2);
                beta = emits + log_sum(after[state], state + 1 < a.states ? after[state + 1] : no_way<R>(), skip ? after[state + 2] : no_way<R>());
            }
            if (shared) rows[t % 2][state] = beta;
            both[t * a.states + state] = shared ? beta + alpha[t * a.states + state] : beta;
        }
        __syncthreads();
    }
    if (shared) return;
    for (long long i = threadIdx.x; i < s.time * a.states; i += blockDim.x) both[i] = both[i] + alpha[i];
}

// A block has a time step of a sequence: e^lp - e^(alpha + beta + loss - lp), times the gradient of the loss.
template <class R>
__device__ __forceinline__ void ctc_gradient(R* grad, const R* both, const int* links, const R* loss, const R* scales, const R* x, const long long* labels, const Sequence* sequences, long long batch, long long classes, long long blank, int zero_infinity) {
    __shared__ R totals[8];
    const long long t = blockIdx.x / batch, n = blockIdx.x % batch;
    const Sequence s = sequences[n];
    const Alignments<R> a = {labels + s.labels, x + n * classes, batch * classes, classes, blank, (int)(2 * s.length + 1)};
    const R nll = loss[n], scale = scales[n];
    grad += blockIdx.x * classes;
    const bool gone = t >= s.time || (zero_infinity && nll == R(1) / R(0));
    auto write = [&](long long label, R total) {
        const R lp = a.at(t, label);
        grad[label] = (exp(lp) - exp(total + nll - lp)) * scale;
    };
    for (long long c = threadIdx.x; c < classes; c += blockDim.x) {
        if (gone) grad[c] = R(0);
        else write(c, no_way<R>());
    }
    if (gone) return;
    __syncthreads();
    both += s.variables + t * a.states;
    for (long long i = threadIdx.x; i < s.length; i += blockDim.x) {
        const long long label = a.label((int)(2 * i + 1));
        if (label == blank || !links[2 * (s.labels + i) + 1]) continue;
        R total = no_way<R>();
        for (long long k = i; k >= 0; k = links[2 * (s.labels + k)]) total = log_sum(total, both[2 * k + 1]);
        write(label, total);
    }
    R total = no_way<R>();
    for (int state = threadIdx.x; state < a.states; state += blockDim.x)
        if (a.label(state) == blank) total = log_sum(total, both[state]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) total = log_sum(total, __shfl_xor_sync(0xffffffffu, total, distance));
    if (threadIdx.x % 32 == 0) totals[threadIdx.x / 32] = total;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int w = 1; w < (int)(blockDim.x / 32); w++) total = log_sum(total, totals[w]);
    write(blank, total);
}
}  // namespace rn
