// What all kernels share: threads, blocks, sums, and the position of a value on a uniform grid.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <type_traits>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr int64_t BLOCK = 16384;  // elements per work unit; sums are kept per block, so they do not depend on threads
constexpr int LANES = 16;

// GOMP_parallel of the OpenMP runtime that Torch itself uses, or null. Its threads spin for a while after each of Torch's
// operations; threads of our own would have to share the cores with them.
using Gomp = void (*)(void (*)(void*), void*, unsigned, unsigned);
Gomp gomp = nullptr;

// f(begin, end) over `threads` even parts of 0 ... n - 1.
template <class F>
void parallel(int64_t n, int64_t threads, F f) {
  threads = std::max<int64_t>(1, std::min(threads, n));
  auto part = [=](int64_t t) { f(n * t / threads, n * (t + 1) / threads); };
  if (threads == 1) return part(0);
  if (gomp) {
    struct Shared {
      decltype(part)* run;
      int64_t threads;
      std::atomic<int64_t> next{0};  // the runtime may grant fewer threads than asked for
    } shared{&part, threads};
    auto body = [](void* data) {
      auto* s = static_cast<Shared*>(data);
      for (int64_t t = s->next++; t < s->threads; t = s->next++) (*s->run)(t);
    };
    return gomp(body, &shared, unsigned(threads), 0);
  }
  std::vector<std::thread> pool;
  for (int64_t t = 1; t < threads; ++t) pool.emplace_back([=] { part(t); });
  part(0);
  for (auto& thread : pool) thread.join();
}

// Fresh large outputs cost more in page faults than in arithmetic; huge pages remove most of them where offered.
void advise_huge([[maybe_unused]] void* data, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes < (int64_t(32) << 20)) return;  // smaller blocks come from the heap again and again
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
  template <class T>
  void sum(const std::vector<double>& partial, T* out) const {
    for (int64_t r = 0; r < rows; ++r) {
      double total = 0;
      for (int64_t i = 0; i < per_row; ++i) total += partial[size_t(r * per_row + i)];
      out[r] = T(total);
    }
  }
};

struct Grid {  // see aoqlab.grids.UniformGrid
  double threshold_offset, level_offset;
  int64_t low, high;
};

// Position k on the grid: an estimate of x / step, made exact by comparing with the two neighbouring thresholds.
template <class T>
inline T position_near(T estimate, T x, T step, T toff, T low, T high) {
  T k = std::floor(estimate - toff);
  k = k > low ? k : low;  // NaN goes to low
  k = k < high ? k : high;
  k += (k < high && x >= step * (k + (1 + toff))) ? T(1) : T(0);
  k -= (k > low && x < step * (k + toff)) ? T(1) : T(0);
  return k;
}

template <class T>
inline T position(T x, T step, T toff, T low, T high) {
  return position_near(x / step, x, step, toff, low, high);
}

constexpr double MIN_STEP = 1e-12;  // aoqlab.ste.MIN_STEP

template <class T>
inline T usable_step(T step) {
  return step < T(MIN_STEP) ? T(MIN_STEP) : step;  // NaN stays NaN
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
