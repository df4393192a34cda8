// Fake quantization, forward and backward: AOQ and LSQ on a uniform grid, LTQ on learned bins.
#pragma once

#include "common.hpp"

namespace {

// One block. __restrict matters: a uint8_t pointer may alias anything, which would forbid vectorising.
template <class T, bool OUT, bool CODES>
void uniform_block(const T* __restrict x, T* __restrict out, uint8_t* __restrict codes, int64_t n, T ts, T ls, T toff,
                   T loff, T low, T high) {
  for (int64_t i = 0; i < n; ++i) {
    const T k = position(x[i], ts, toff, low, high);
    if constexpr (OUT) out[i] = x[i] == x[i] ? ls * (k + loff) : x[i];  // NaN in, NaN out
    if constexpr (CODES) codes[i] = uint8_t(int32_t(k - low));
  }
}

template <class T>
void uniform_forward(const T* x, T* out, uint8_t* codes, int64_t rows, int64_t cols, const T* tstep, const T* lstep,
                     Grid grid, int64_t threads) {
  const Blocks blocks(rows, cols);
  const T toff = T(grid.threshold_offset), loff = T(grid.level_offset), low = T(grid.low), high = T(grid.high);
  if (out) advise_huge(out, rows * cols * int64_t(sizeof(T)));
  if (codes) advise_huge(codes, rows * cols);
  auto block = out && codes ? uniform_block<T, true, true> : out ? uniform_block<T, true, false> : uniform_block<T, false, true>;
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = blocks.begin(b), row = blocks.row(b);
      block(x + begin, out ? out + begin : nullptr, codes ? codes + begin : nullptr, blocks.end(b) - begin, tstep[row],
            lstep[row], toff, loff, low, high);
    }
  });
}

template <class T>
void aoq_backward(const uint8_t* codes, const T* grad, int64_t rows, int64_t cols, double* level_sum, Grid grid,
                  int64_t threads) {
  const Blocks blocks(rows, cols);
  std::vector<double> partial(size_t(blocks.count()));
  double* part = partial.data();
  const T offset = T(double(grid.low) + grid.level_offset);
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b)
      part[b] = lane_sum<T>(blocks.begin(b), blocks.end(b), [=](int64_t i) { return grad[i] * (T(int32_t(codes[i])) + offset); });
  });
  blocks.sum(partial, level_sum);
}

template <class T>
void lsq_block(const T* __restrict x, const T* __restrict grad, T* __restrict grad_x, T* __restrict terms, int64_t n,
               T s, T toff, T low, T high) {
  for (int64_t i = 0; i < n; ++i) {
    const T v = x[i] / s, k = position(x[i], s, toff, low, high);
    const bool inside = v > low && v < high;
    grad_x[i] = inside ? grad[i] : T(0);
    terms[i] = grad[i] * (inside ? k - v : k);
  }
}

template <class T>
void lsq_backward(const T* x, const T* grad, T* grad_x, int64_t rows, int64_t cols, const T* step, double* step_sum,
                  Grid grid, int64_t threads) {
  const Blocks blocks(rows, cols);
  std::vector<double> partial(size_t(blocks.count()));
  double* part = partial.data();
  const T toff = T(grid.threshold_offset), low = T(grid.low), high = T(grid.high);
  advise_huge(grad_x, rows * cols * int64_t(sizeof(T)));
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    T terms[1024];  // stays in the first-level cache
    for (int64_t b = first; b < last; ++b) {
      const T s = step[blocks.row(b)];
      double total = 0;
      for (int64_t i = blocks.begin(b), end = blocks.end(b); i < end; i += 1024) {
        const int64_t n = std::min<int64_t>(1024, end - i);
        lsq_block(x + i, grad + i, grad_x + i, terms, n, s, toff, low, high);
        total += lane_sum<T>(0, n, [&](int64_t j) { return terms[j]; });
      }
      part[b] = total;
    }
  });
  blocks.sum(partial, step_sum);
}

// ---- LTQ: n bins with edges T_0 = 0 ... T_n and centres c_1 ... c_n, in units of z = u x -------------------------

// A sorted table padded with infinity to a power of two, searched without branches.
template <class T>
struct Table {
  T value[512];
  int32_t top;  // largest power of two up to the number of entries
  Table(const T* sorted, int64_t n) : top(1) {
    while (2 * top <= n) top *= 2;
    std::fill(std::copy(sorted, sorted + n, value), value + 512, std::numeric_limits<T>::infinity());
  }
  inline int32_t below(T z) const {  // #{i : z > sorted[i]}
    int32_t found = 0;
    for (int32_t half = top; half > 0; half >>= 1) found += z > value[found + half - 1] ? half : 0;
    return found;
  }
};

template <class T, int N>
void ltq_forward_few(const T* x, T* out, int64_t begin, int64_t end, T u, T unit, const T* centres) {
  T c[N];
  std::copy(centres, centres + N, c);
  for (int64_t i = begin; i < end; ++i) {
    const T z = u * x[i];
    T code = 0;
    for (int j = 0; j < N; ++j) code += z > c[j] ? T(1) : T(0);
    out[i] = x[i] == x[i] ? unit * code : x[i];
  }
}

template <class T>
void ltq_forward(const T* x, T* out, int64_t size, T u, T unit, const T* centres, int64_t n, int64_t threads) {
  const Blocks blocks(1, size);
  advise_huge(out, size * int64_t(sizeof(T)));
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    const int64_t begin = first * BLOCK, end = std::min(last * BLOCK, size);
    if (n == 3) return ltq_forward_few<T, 3>(x, out, begin, end, u, unit, centres);
    if (n == 7) return ltq_forward_few<T, 7>(x, out, begin, end, u, unit, centres);
    if (n == 15) return ltq_forward_few<T, 15>(x, out, begin, end, u, unit, centres);
    const Table<T> table(centres, n);
    for (int64_t i = begin; i < end; ++i)
      out[i] = x[i] == x[i] ? unit * T(table.below(u * x[i])) : x[i];
  });
}

typedef float vec_f __attribute__((vector_size(4 * LANES)));
typedef int32_t vec_i __attribute__((vector_size(4 * LANES)));

// bin_g[j] += sum of g, and bin_gx[j] += sum of g x, over edges[j] < z <= edges[j + 1].
template <int N>
void ltq_backward_few(const float* x, const float* grad, float* grad_x, int64_t begin, int64_t end, float u,
                      const float* edges, const float* centres, const float* slopes, double* bin_g, double* bin_gx,
                      double* code_sum) {
  vec_f sum_g[N] = {}, sum_gx[N] = {}, sum_c = {};
  const vec_f zero = {};
  for (int64_t i = begin; i < end; i += LANES) {
    vec_f xv = {}, gv = {};
    const int64_t left = std::min<int64_t>(LANES, end - i);
    if (left == LANES) {
      std::memcpy(&xv, x + i, sizeof xv);
      std::memcpy(&gv, grad + i, sizeof gv);
    } else {  // the padding has g = 0 and adds nothing
      std::memcpy(&xv, x + i, size_t(left) * sizeof(float));
      std::memcpy(&gv, grad + i, size_t(left) * sizeof(float));
    }
    const vec_f z = u * xv, gx = gv * xv;
    vec_f slope = zero, code = zero;
    vec_i above = z > edges[0];
    for (int j = 0; j < N; ++j) {
      const vec_i above_next = z > edges[j + 1], in_bin = above & ~above_next;
      sum_g[j] += in_bin ? gv : zero;
      sum_gx[j] += in_bin ? gx : zero;
      slope = in_bin ? zero + slopes[j] : slope;
      above = above_next;
    }
    for (int j = 0; j < N; ++j) code += z > centres[j] ? zero + 1.0f : zero;
    sum_c += gv * code;
    const vec_f out = gv * slope;
    std::memcpy(grad_x + i, &out, size_t(left) * sizeof(float));
  }
  for (int l = 0; l < LANES; ++l) {
    for (int j = 0; j < N; ++j) bin_g[j] += double(sum_g[j][l]), bin_gx[j] += double(sum_gx[j][l]);
    *code_sum += double(sum_c[l]);
  }
}

// Sums over bins 1 ... n: sums[0 ... n-1] = sum g, sums[n ... 2n-1] = sum g x; sums[2n] = sum g code.
template <class T>
void ltq_backward(const T* x, const T* grad, T* grad_x, int64_t size, T u, const T* edges, const T* centres,
                  const T* slopes, int64_t n, double* sums, int64_t threads) {
  const Blocks blocks(1, size);
  const int64_t stride = 2 * n + 1;
  std::vector<double> partial(size_t(blocks.count() * stride));
  double* part = partial.data();
  advise_huge(grad_x, size * int64_t(sizeof(T)));
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = blocks.begin(b), end = blocks.end(b);
      double *bin_g = part + b * stride, *bin_gx = bin_g + n, *code_sum = bin_gx + n;
      if constexpr (sizeof(T) == 4) {
        if (n == 3 || n == 7 || n == 15) {
          auto few = n == 3 ? ltq_backward_few<3> : n == 7 ? ltq_backward_few<7> : ltq_backward_few<15>;
          few(x, grad, grad_x, begin, end, u, edges, centres, slopes, bin_g, bin_gx, code_sum);
          continue;
        }
      }
      const Table<T> table(edges, n + 1);
      int32_t bins[1024];  // 0: at or below 0; n + 1: above the last edge
      for (int64_t i = begin; i < end; i += 1024) {
        const int64_t size_here = std::min<int64_t>(1024, end - i);
        for (int64_t j = 0; j < size_here; ++j) bins[j] = table.below(u * x[i + j]);
        for (int64_t j = 0; j < size_here; ++j) {
          const int64_t bin = bins[j];
          const T g = grad[i + j];
          const bool ramp = bin >= 1 && bin <= n;
          grad_x[i + j] = ramp ? g * slopes[bin - 1] : T(0);
          if (bin == 0) continue;
          const bool upper = bin > n || u * x[i + j] > centres[bin - 1];
          *code_sum += double(g) * double(bin - (upper ? 0 : 1) - (bin > n ? 1 : 0));
          if (ramp) bin_g[bin - 1] += double(g), bin_gx[bin - 1] += double(g) * double(x[i + j]);
        }
      }
    }
  });
  std::fill(sums, sums + stride, 0.0);
  for (int64_t b = 0; b < blocks.count(); ++b)
    for (int64_t j = 0; j < stride; ++j) sums[j] += part[b * stride + j];
}

}  // namespace
