// What all kernels share: threads, blocks, sums, and the position of a value on a uniform grid.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr int64_t BLOCK = 16384;  // elements per work unit; sums are kept per block, so they do not depend on threads
constexpr int LANES = 16;

template <class F>
void parallel(int64_t n, int threads, F f) {
  threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, n)));
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back([=] { f(n * t / threads, n * (t + 1) / threads); });
  f(0, n / threads);
  for (auto& thread : pool) thread.join();
}

// Fresh large outputs cost more in page faults than in arithmetic; huge pages remove most of them where offered.
void advise_huge([[maybe_unused]] void* data, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes < (int64_t(8) << 20)) return;
  const uintptr_t page = 4096, start = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + uintptr_t(bytes)) & ~(page - 1);
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

// Blocks that never cross a row, so that every row (channel) may have a step of its own.
struct Blocks {
  int64_t rows, cols, per_row;
  Blocks(int64_t rows_, int64_t cols_) : rows(rows_), cols(cols_), per_row((cols_ + BLOCK - 1) / BLOCK) {}
  int64_t count() const { return rows * per_row; }
  int64_t row(int64_t b) const { return b / per_row; }
  int64_t begin(int64_t b) const { return row(b) * cols + (b % per_row) * BLOCK; }
  int64_t end(int64_t b) const { return std::min(begin(b) + BLOCK, (row(b) + 1) * cols); }
  void sum(const std::vector<double>& partial, double* out) const {
    for (int64_t r = 0; r < rows; ++r) {
      double total = 0;
      for (int64_t i = 0; i < per_row; ++i) total += partial[size_t(r * per_row + i)];
      out[r] = total;
    }
  }
};

struct Grid {  // see aoqlab.grids.UniformGrid
  double threshold_offset, level_offset;
  int64_t low, high;
};

// Position k on the grid: an estimate by division, made exact by comparing with the two neighbouring thresholds.
template <class T>
inline T position(T x, T step, T toff, T low, T high) {
  T k = std::floor(x / step - toff);
  k = k > low ? k : low;  // NaN goes to low
  k = k < high ? k : high;
  k += (k < high && x >= step * (k + (1 + toff))) ? T(1) : T(0);
  k -= (k > low && x < step * (k + toff)) ? T(1) : T(0);
  return k;
}

// LANES-wide partial sums let the compiler vectorise a reduction without reordering licences.
template <class T, class Term>
inline double lane_sum(int64_t begin, int64_t end, Term term) {
  T lanes[4 * LANES] = {};
  int64_t i = begin;
  for (; i + 4 * LANES <= end; i += 4 * LANES)
    for (int l = 0; l < 4 * LANES; ++l) lanes[l] += term(i + l);
  double total = 0;
  for (; i < end; ++i) total += double(term(i));
  for (T lane : lanes) total += double(lane);
  return total;
}

}  // namespace
