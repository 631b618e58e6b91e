// Linear maps along up to three neighbouring axes at once: averages over windows, interpolation, padding. A thread has an
// output, which sums what the tables of its axes name.
namespace rn {
// Output o of an axis sums weight * source over the terms starts[o] to starts[o + 1]. Without starts it is input o.
template <class W> struct AxisMap {
    const int* starts;
    const int* sources;
    const W* weights;
    Divisor outputs;
    int inputs;
};
template <class W> struct AxisMaps { AxisMap<W> of[3]; };

template <class W> __device__ __forceinline__ int first_of(const AxisMap<W>& map, int o) { return map.starts ? map.starts[o] : o; }
template <class W> __device__ __forceinline__ int source_of(const AxisMap<W>& map, int k) { return map.starts ? map.sources[k] : k; }

// SELECTS: each output is one input.
template <bool SELECTS, class W, class T, class A>
__device__ __forceinline__ void axis_map(A* y, const A* x, AxisMaps<W> maps, int n) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    const AxisMap<W>&a = maps.of[0], &b = maps.of[1], &c = maps.of[2];
    const Divisor outputs[3] = {a.outputs, b.outputs, c.outputs};
    Places o;
    const long long outer = split(outputs, i, o);
    x += outer * a.inputs * b.inputs * c.inputs;
    const int a0 = first_of(a, o.of[0]), b0 = first_of(b, o.of[1]), c0 = first_of(c, o.of[2]);
    if constexpr (SELECTS) {
        y[i] = x[((long long)source_of(a, a0) * b.inputs + source_of(b, b0)) * c.inputs + source_of(c, c0)];
    } else {
        const int a1 = first_of(a, o.of[0] + 1), b1 = first_of(b, o.of[1] + 1), c1 = first_of(c, o.of[2] + 1);
        T sum = T(0.0);
        for (int z = a0; z < a1; z++) {
            T rows = T(0.0);
            for (int v = b0; v < b1; v++) {
                const A* line = x + ((long long)source_of(a, z) * b.inputs + source_of(b, v)) * c.inputs;
                T columns = T(0.0);
                for (int u = c0; u < c1; u++) {
                    const T value = convert<T>(line[source_of(c, u)]);
                    columns = columns + (c.starts ? convert<T>(c.weights[u]) * value : value);
                }
                rows = rows + (b.starts ? convert<T>(b.weights[v]) * columns : columns);
            }
            sum = sum + (a.starts ? convert<T>(a.weights[z]) * rows : rows);
        }
        y[i] = convert<A>(sum);
    }
}
}  // namespace rn
