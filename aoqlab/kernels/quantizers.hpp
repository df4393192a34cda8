// Fake quantization on a uniform grid (AOQ and LSQ), forward and backward.
#pragma once

#include "common.hpp"

namespace {

// One block. __restrict matters: a uint8_t pointer may alias anything, which would forbid vectorising.
template <class T, bool OUT, bool CODES>
void uniform_block(const T* __restrict x, T* __restrict out, uint8_t* __restrict codes, int64_t n, T ts, T ls, T toff,
                   T loff, T low, T high) {
  const T inverse = 1 / ts;
  for (int64_t i = 0; i < n; ++i) {
    const T k = position_near(x[i] * inverse, x[i], ts, toff, low, high);
    if constexpr (OUT) out[i] = x[i] == x[i] ? ls * (k + loff) : x[i];  // NaN in, NaN out
    if constexpr (CODES) codes[i] = uint8_t(int32_t(k - low));
  }
}

// Strides of the steps: 1 for one per row, 0 for one in all.
template <class T>
void uniform_forward(const T* x, T* out, uint8_t* codes, int64_t rows, int64_t cols, const T* tstep, int64_t tstride,
                     const T* lstep, int64_t lstride, Grid grid, int64_t threads) {
  const Blocks blocks(rows, cols);
  const T toff = T(grid.threshold_offset), loff = T(grid.level_offset), low = T(grid.low), high = T(grid.high);
  if (out) advise_huge(out, rows * cols * int64_t(sizeof(T)));
  if (codes) advise_huge(codes, rows * cols);
  auto block = out && codes ? uniform_block<T, true, true> : out ? uniform_block<T, true, false> : uniform_block<T, false, true>;
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = blocks.begin(b), row = blocks.row(b);
      block(x + begin, out ? out + begin : nullptr, codes ? codes + begin : nullptr, blocks.end(b) - begin,
            usable_step(tstep[row * tstride]), usable_step(lstep[row * lstride]), toff, loff, low, high);
    }
  });
}

template <class T>
void aoq_backward(const uint8_t* codes, const T* grad, int64_t rows, int64_t cols, T* level_grad, Grid grid, int64_t threads) {
  const Blocks blocks(rows, cols);
  std::vector<double> partial(size_t(blocks.count()));
  double* part = partial.data();
  const T offset = T(double(grid.low) + grid.level_offset);
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b)
      part[b] = lane_sum<T>(blocks.begin(b), blocks.end(b), [=](int64_t i) { return grad[i] * (T(int32_t(codes[i])) + offset); });
  });
  blocks.sum(partial, level_grad);
}

template <class T>
void lsq_block(const T* __restrict x, const T* __restrict grad, T* __restrict grad_x, T* __restrict terms, int64_t n,
               T s, T toff, T low, T high) {
  for (int64_t i = 0; i < n; ++i) {
    const T v = x[i] / s, k = position_near(v, x[i], s, toff, low, high);
    const bool inside = v > low && v < high;
    grad_x[i] = inside ? grad[i] : T(0);
    terms[i] = grad[i] * (inside ? k - v : k);
  }
}

template <class T>
void lsq_backward(const T* x, const T* grad, T* grad_x, int64_t rows, int64_t cols, const T* step, T* step_grad,
                  Grid grid, int64_t threads) {
  const Blocks blocks(rows, cols);
  std::vector<double> partial(size_t(blocks.count()));
  double* part = partial.data();
  const T toff = T(grid.threshold_offset), low = T(grid.low), high = T(grid.high);
  advise_huge(grad_x, rows * cols * int64_t(sizeof(T)));
  parallel(blocks.count(), threads, [=](int64_t first, int64_t last) {
    T terms[1024];  // stays in the first-level cache
    for (int64_t b = first; b < last; ++b) {
      const T s = usable_step(step[blocks.row(b)]);
      double total = 0;
      for (int64_t i = blocks.begin(b), end = blocks.end(b); i < end; i += 1024) {
        const int64_t n = std::min<int64_t>(1024, end - i);
        lsq_block(x + i, grad + i, grad_x + i, terms, n, s, toff, low, high);
        total += lane_sum<T>(0, n, [&](int64_t j) { return terms[j]; });
      }
      part[b] = total;
    }
  });
  blocks.sum(partial, step_grad);
}

}  // namespace
