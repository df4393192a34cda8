// Vectors of float or double with masks. GCC and Clang lower the general form to whatever the processor has; AVX-512 has
// operations that it does not reach: tables searched and read by permuting a register, and masked sums.
#pragma once

#include "common.hpp"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

template <class T>
struct Simd {
#if defined(__AVX2__)
  static constexpr int bytes = 32;
#else
  static constexpr int bytes = 16;  // wider than the registers, selections would be done value by value
#endif
  static constexpr int width = bytes / sizeof(T);
  using integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T vec __attribute__((vector_size(bytes)));
  typedef integer index __attribute__((vector_size(bytes)));
  using mask = index;

  static vec load(const T* from) {
    vec v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
  static void store(T* to, vec v) { std::memcpy(to, &v, sizeof v); }
  static vec fill(T value) { return vec{} + value; }
  static mask above(vec a, vec b) { return a > b; }
  static mask is(index a, int b) { return a == integer(b); }
  static mask nan(vec a) { return a != a; }
  static vec where(mask m, vec a, vec b) { return m ? a : b; }
  static index where(mask m, index a, int b) { return m ? a : index{} + integer(b); }
  static vec add_where(mask m, vec sum, vec a) { return sum + (m ? a : vec{}); }
  static vec add_product(vec sum, vec a, vec b) { return sum + a * b; }
  static vec add_product_where(mask m, vec sum, vec a, vec b) { return sum + (m ? a * b : vec{}); }
  static vec value(index a) { return __builtin_convertvector(a, vec); }

  template <int N>
  struct Count {  // #{i : z > sorted[i]}
    vec sorted[N];
    explicit Count(const T* from) {
      for (int i = 0; i < N; ++i) sorted[i] = fill(from[i]);
    }
    index operator()(vec z) const {
      index found = {};
      for (int i = 0; i < N; ++i) found -= z > sorted[i];
      return found;
    }
  };

  template <int N>
  struct Pick {  // from[i], 0 <= i < N
    vec entry[N];
    explicit Pick(const T* from) {
      for (int i = 0; i < N; ++i) entry[i] = fill(from[i]);
    }
    vec operator()(index i) const {
      vec found = entry[0];
      for (int j = 1; j < N; ++j) found = i == integer(j) ? entry[j] : found;
      return found;
    }
  };
};

#if defined(__AVX512F__)
template <>
struct Simd<float> {
  static constexpr int width = 16;
  using vec = __m512;
  using index = __m512i;
  using mask = __mmask16;

  static vec load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, vec v) { _mm512_storeu_ps(to, v); }
  static vec fill(float value) { return _mm512_set1_ps(value); }
  static mask above(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  static mask is(index a, int b) { return _mm512_cmpeq_epi32_mask(a, _mm512_set1_epi32(b)); }
  static mask nan(vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  static vec where(mask m, vec a, vec b) { return _mm512_mask_mov_ps(b, m, a); }
  static index where(mask m, index a, int b) { return _mm512_mask_mov_epi32(_mm512_set1_epi32(b), m, a); }
  static vec add_where(mask m, vec sum, vec a) { return _mm512_mask_add_ps(sum, m, sum, a); }
  static vec add_product(vec sum, vec a, vec b) { return _mm512_fmadd_ps(a, b, sum); }
  static vec add_product_where(mask m, vec sum, vec a, vec b) { return _mm512_mask3_fmadd_ps(a, b, sum, m); }
  static vec value(index a) { return _mm512_cvtepi32_ps(a); }

  template <int N>
  struct Count {  // N = 3, 7 or 15: a binary search, all of whose tables stay in registers
    static constexpr int half = (N + 1) / 2;
    vec middle, tables[3];
    explicit Count(const float* from) : middle(fill(from[half - 1])) {
      int table = 0;
      for (int step = half / 2; step > 0; step /= 2, ++table) {
        float entries[16];
        for (int i = 0; i < 16; ++i) entries[i] = from[std::min(i + step, N) - 1];
        tables[table] = load(entries);
      }
    }
    index operator()(vec z) const {
      index found = _mm512_maskz_set1_epi32(above(z, middle), half);
      int table = 0;
      for (int step = half / 2; step > 0; step /= 2, ++table)
        found = _mm512_mask_add_epi32(found, above(z, _mm512_permutexvar_ps(found, tables[table])), found,
                                      _mm512_set1_epi32(step));
      return found;
    }
  };

  template <int N>
  struct Pick {
    vec table;
    explicit Pick(const float* from) {
      float entries[16];
      for (int i = 0; i < 16; ++i) entries[i] = from[std::min(i, N - 1)];
      table = load(entries);
    }
    vec operator()(index i) const { return _mm512_permutexvar_ps(i, table); }
  };
};
#endif

}  // namespace
