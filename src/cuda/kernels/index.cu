// Reads and writes at places that index tensors name: the twin of cpu::index, with the same loops. Operand 0 is the result
// of a read or the target of a write, 1 the source, 2 and up are the indices.
namespace rn {
struct Indexer {
    const long long* indices;
    long long size;       // of the dimension
    long long stride;     // bytes from one index to the next
    int negative;         // indices below 0 count from the end
    int dim;
};
template <int N> struct Indexers { Indexer of[N]; };

// The first index out of range, in memory of the host that it looks at when it waits.
struct BadIndex { int found, operation; long long index, size; int dim, unused; };
__device__ __forceinline__ void report(BadIndex* bad, int operation, const Indexer& x, long long index) {
    if (atomicCAS(&bad->found, 0, 1) == 0) {
        bad->operation = operation;
        bad->index = index;
        bad->size = x.size;
        bad->dim = x.dim;
        __threadfence_system();
        bad->found = 2;
    }
}

// The way, in bytes, to where the indices lead; negative if one is out of range.
template <int N> __device__ __forceinline__ bool find_place(const Indexers<N>& indexers, const long long* at, long long& place, BadIndex* bad, int operation) {
    place = 0;
#pragma unroll
    for (int k = 0; k < N; k++) {
        const Indexer& x = indexers.of[k];
        const long long index = read(x.indices, at[k + 2]);
        const long long here = index < 0 && x.negative ? index + x.size : index;
        if (here < 0 || here >= x.size) {
            report(bad, operation, x, index);
            return false;
        }
        place += here * x.stride;
    }
    return true;
}

template <int N, class A>
__device__ __forceinline__ void index_read(Loops<N + 2> loops, Indexers<N> indexers, A* out, const A* x, long long n, BadIndex* bad, int operation) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    long long at[N + 2], from;
    loops.find((unsigned long long)i, at);
    if (find_place<N>(indexers, at, from, bad, operation)) rn::place(out, at[0]) = read(x, at[1] + from);
}

// ---- writes ----
enum Put { WRITE, ADD, MULTIPLY, PUT_MAX, PUT_MIN };

template <int HOW, class T> __device__ __forceinline__ T put_together(T old, T value) {
    if constexpr (HOW == ADD) return old + value;
    else if constexpr (HOW == MULTIPLY) return old * value;
    else if constexpr (HOW == PUT_MAX) return maximum(old, value);
    else return minimum(old, value);
}

// The word that an element lies in is exchanged until nobody came between.
template <int HOW, class T, class A> __device__ __forceinline__ void put_atomic(A* p, T value) {
    if constexpr (HOW == ADD && (Same<A, float>::value || Same<A, int>::value)) {
        atomicAdd(p, convert<A>(value));
    } else if constexpr (HOW == ADD && Same<A, double>::value) {
        atomicAdd(p, (double)value);
    } else if constexpr (IsComplex<A>::value) {
        // Sums of parts are sums of numbers; nothing else is asked of complex numbers but products.
        if constexpr (HOW == ADD) {
            atomicAdd(&p->re, value.re);
            atomicAdd(&p->im, value.im);
        } else {
            *p = convert<A>(put_together<HOW>(convert<T>(*p), value));
        }
    } else if constexpr (sizeof(A) == 8) {
        union { unsigned long long bits; A element; } seen, next;
        unsigned long long* word = (unsigned long long*)p;
        unsigned long long before = *(volatile unsigned long long*)word;
        do {
            seen.bits = before;
            next.element = convert<A>(put_together<HOW>(convert<T>(seen.element), value));
            before = atomicCAS(word, seen.bits, next.bits);
        } while (before != seen.bits);
    } else {
        const unsigned long long address = (unsigned long long)p;
        unsigned* word = (unsigned*)(address & ~3ull);
        const int shift = (int)(address & 3) * 8;
        const unsigned mask = sizeof(A) == 4 ? ~0u : ((1u << sizeof(A) * 8) - 1) << shift;
        unsigned before = *(volatile unsigned*)word, expected;
        do {
            expected = before;
            union { unsigned bits; A element; } seen, next;   // the element is the low bytes
            seen.bits = (expected & mask) >> shift;
            next.bits = 0;
            next.element = convert<A>(put_together<HOW>(convert<T>(seen.element), value));
            before = atomicCAS(word, expected, (expected & ~mask) | next.bits << shift);
        } while (before != expected);
    }
}

template <int HOW, int N, class T, class A>
__device__ __forceinline__ void index_put(Loops<N + 2> loops, Indexers<N> indexers, A* target, const A* source, long long n, BadIndex* bad, int operation) {
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    long long at[N + 2], to;
    loops.find((unsigned long long)i, at);
    if (!find_place<N>(indexers, at, to, bad, operation)) return;
    A* p = &rn::place(target, at[0] + to);
    const A value = read(source, at[1]);
    if constexpr (HOW == WRITE) *p = value;
    else put_atomic<HOW>(p, convert<T>(value));
}
}  // namespace rn
