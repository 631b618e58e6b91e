// Keys: unsigned integers in the order of the values, NaN above all, the two zeros equal. The twin of cpu::sort::Key.
namespace rn {
template <int BYTES> struct KeyBits { typedef unsigned Type; };
template <> struct KeyBits<8> { typedef unsigned long long Type; };
template <class A> using Key = typename KeyBits<sizeof(A)>::Type;

template <class A> __device__ __forceinline__ Key<A> raw_bits(A x) {
    union { Key<A> bits; A value; } u;
    u.bits = 0;
    u.value = x;
    return u.bits;
}
template <class A> __device__ __forceinline__ A from_raw_bits(Key<A> bits) {
    union { Key<A> bits; A value; } u;
    u.bits = bits;
    return u.value;
}
template <class A> constexpr bool has_nan = is_half<A> || is_float<A>;
template <class A> constexpr bool is_unsigned = Same<A, bool>::value || Same<A, unsigned char>::value;
template <class A> constexpr Key<A> all_ones = (Key<A>)(~(Key<A>)0) >> (sizeof(Key<A>) - sizeof(A)) * 8;
template <class A> constexpr Key<A> sign_of = all_ones<A> ^ all_ones<A> >> 1;

template <class A> __device__ __forceinline__ bool is_number(A x) {
    if constexpr (is_half<A>) return is_number(widen(x));
    else if constexpr (has_nan<A>) return x == x;
    else return true;
}
template <class A> __device__ __forceinline__ Key<A> key_of(A x) {
    if constexpr (is_unsigned<A>) return (Key<A>)x;
    else {
        const Key<A> bits = raw_bits(x);
        if constexpr (!has_nan<A>) return bits ^ sign_of<A>;
        else if (!is_number(x)) return all_ones<A>;
        else if (bits == sign_of<A>) return bits;
        else return bits & sign_of<A> ? ~bits & all_ones<A> : bits | sign_of<A>;
    }
}
// Whether the value can be told from its key: not of NaN and zeros.
template <class A> __device__ __forceinline__ bool tells_value(Key<A> key) {
    return !has_nan<A> || (key != all_ones<A> && key != sign_of<A>);
}
template <class A> __device__ __forceinline__ A value_of(Key<A> key) {
    if constexpr (is_unsigned<A>) return (A)key;
    else if constexpr (has_nan<A>) return from_raw_bits<A>(key & sign_of<A> ? key ^ sign_of<A> : ~key & all_ones<A>);
    else return from_raw_bits<A>(key ^ sign_of<A>);
}
}  // namespace rn
