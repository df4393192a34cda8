// Toy regression, see aoqlab/toy/engine.py: many runs on one data set, every training step fused into one pass.
#pragma once

#include "common.hpp"
#include "tracker.hpp"

namespace {

template <class T>
struct Toy {
  const T* inputs;         // (samples, n)
  const T* targets;        // (samples)
  const int64_t* batches;  // (steps, batch): rows of inputs
  int64_t n, batch, runs;
  T *weights, *first, *second;              // (runs, n): weights and Adam's moments
  // (runs): the learned step (LSQ) or level interval (AOQ), Adam's moments and step count for it
  double *step, *step_first, *step_second, *step_count;
  const double* interval;                   // (runs): AOQ's threshold interval
  const uint8_t* lsq;                       // (runs): 1 for LSQ, 0 for AOQ, coupled or not
  // (steps + 1, runs): what the schedules say at every step; the last row only serves the final encoding
  const double *lr, *shrink, *dampening;
  const uint8_t* learns;
  int64_t* hashes;   // (steps, runs): configuration after every step
  int64_t* hamming_max;
  int64_t first_step;  // optimizer steps already done
  double beta1, beta2, eps;
};

constexpr int CHUNK = 256;  // columns handled at once: 20 rows of inputs stay in the first two cache levels

template <class T>
struct Lanes {
  typedef T vec __attribute__((vector_size(64)));
  static constexpr int width = 64 / sizeof(T);
};

template <class T>
inline typename Lanes<T>::vec load(const T* from) {
  typename Lanes<T>::vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// out[j] = sum_b r[b] x[b][j]
template <class T>
void combine(const T* const* rows, const T* r, int64_t batch, T* __restrict out, int64_t n) {
  using vec = typename Lanes<T>::vec;
  constexpr int W = Lanes<T>::width;
  int64_t j = 0;
  for (; j + 4 * W <= n; j += 4 * W) {  // four vectors at once hide the latency of the multiply-adds
    vec a0 = {}, a1 = {}, a2 = {}, a3 = {};
    for (int64_t b = 0; b < batch; ++b) {
      const T* row = rows[b] + j;
      const vec rb = vec{} + r[b];
      a0 += rb * load<T>(row);
      a1 += rb * load<T>(row + W);
      a2 += rb * load<T>(row + 2 * W);
      a3 += rb * load<T>(row + 3 * W);
    }
    std::memcpy(out + j, &a0, 64);
    std::memcpy(out + j + W, &a1, 64);
    std::memcpy(out + j + 2 * W, &a2, 64);
    std::memcpy(out + j + 3 * W, &a3, 64);
  }
  for (; j < n; ++j) {
    T total = 0;
    for (int64_t b = 0; b < batch; ++b) total += r[b] * rows[b][j];
    out[j] = total;
  }
}

// Lane l of sums[b] += sum over j = l, l + W, ... of v[j] x[b][j]: the lanes are added up once per step, not per chunk.
template <class T>
void project(const T* const* rows, const T* v, int64_t batch, typename Lanes<T>::vec* sums, int64_t n) {
  using vec = typename Lanes<T>::vec;
  constexpr int W = Lanes<T>::width;
  for (int64_t b = 0; b < batch; b += 4) {
    const int64_t here = std::min<int64_t>(4, batch - b);
    const T* x[4];
    for (int64_t i = 0; i < 4; ++i) x[i] = rows[b + std::min(i, here - 1)];
    vec a0 = {}, a1 = {}, a2 = {}, a3 = {};
    int64_t j = 0;
    for (; j + W <= n; j += W) {
      const vec y = load<T>(v + j);
      a0 += y * load<T>(x[0] + j);
      a1 += y * load<T>(x[1] + j);
      a2 += y * load<T>(x[2] + j);
      a3 += y * load<T>(x[3] + j);
    }
    vec a[4] = {a0, a1, a2, a3};
    for (int64_t i = 0; i < here; ++i) {
      for (int64_t l = 0; l < n - j; ++l) a[i][l] += v[j + l] * x[i][j + l];
      sums[b + i] += a[i];
    }
  }
}

template <class T>
double add_lanes(const typename Lanes<T>::vec& v) {
  double total[4] = {};
  for (int l = 0; l < Lanes<T>::width; l += 4)
    for (int i = 0; i < 4; ++i) total[i] += double(v[l + i]);
  return (total[0] + total[1]) + (total[2] + total[3]);
}

struct Steps {  // of one run at one step
  double threshold, level;
};

// Positions and codes of one chunk, with LSQ's d w_hat / d s in `slope`; if asked to `measure`, returns AOQ's squared
// distance to the middle of the bins, which the norm in its dampening needs.
template <class T>
double encode_chunk(const T* __restrict w, int64_t n, T step, T low, T high, T* __restrict level, T* __restrict slope,
                    uint8_t* __restrict codes, bool lsq, bool measure) {
  if (lsq) {
    for (int64_t j = 0; j < n; ++j) {
      const T v = w[j] / step, k = position(w[j], step, T(-0.5), low, high);
      level[j] = k;
      slope[j] = (v > low && v < high) ? k - v : k;
      codes[j] = uint8_t(int32_t(k - low));
    }
    return 0;
  }
  for (int64_t j = 0; j < n; ++j) {
    const T k = position(w[j], step, T(-0.5), low, high), away = w[j] - step * k;
    level[j] = k;
    slope[j] = away * away;
    codes[j] = uint8_t(int32_t(k - low));
  }
  return measure ? lane_sum<T>(0, n, [=](int64_t j) { return slope[j]; }) : 0;
}

// Straight-through mask of LSQ, or pull of AOQ's dampening, on the gradient of one chunk.
template <class T>
void shape_gradient(const T* __restrict w, T* __restrict g, int64_t n, T step, T low, T high, bool lsq, T pull) {
  if (lsq) {
    for (int64_t j = 0; j < n; ++j) {
      const T v = w[j] / step;
      g[j] = (v > low && v < high) ? g[j] : T(0);
    }
  } else if (pull != 0) {
    for (int64_t j = 0; j < n; ++j) g[j] += pull * (w[j] - step * position(w[j], step, T(-0.5), low, high));
  }
}

template <class T>
void adam_chunk(T* __restrict w, T* __restrict m, T* __restrict v, const T* __restrict g, int64_t n, T beta1, T beta2,
                T rate, T root, T eps) {
  for (int64_t j = 0; j < n; ++j) {
    m[j] += (g[j] - m[j]) * (1 - beta1);
    v[j] = v[j] * beta2 + (1 - beta2) * g[j] * g[j];
    w[j] -= rate * m[j] / (std::sqrt(v[j]) / root + eps);
  }
}

// Runs first_run, first_run + stride, ... over `steps` steps. Runs never meet, so threads need no barrier; all runs of a
// thread share each chunk of the inputs while it is in cache.
template <class T>
void toy_runs(const Toy<T>& p, const Tracker& tracker, int64_t steps, int64_t first_run, int64_t stride) {
  const int64_t n = p.n, B = p.batch, R = p.runs, L = tracker.n_levels;
  const T low = T(-L / 2), high = T(L / 2 - 1);
  std::vector<const T*> now(static_cast<size_t>(B)), next(static_cast<size_t>(B));
  using vec = typename Lanes<T>::vec;
  std::vector<vec> level_sums(size_t(R * B), vec{}), slope_sums(size_t(R * B), vec{});
  std::vector<double> distance(size_t(R), 0.0);
  std::vector<T> residual(size_t(R * B)), pull(size_t(R), T(0));
  std::vector<Steps> old(static_cast<size_t>(R)), fresh(static_cast<size_t>(R));
  T g[CHUNK], level[CHUNK], slope[CHUNK];
  uint8_t codes[CHUNK];

  auto steps_at = [&](int64_t r, int64_t t) {
    const double shrink = p.shrink[t * R + r], s = std::max(p.step[r], MIN_STEP);
    if (p.lsq[r]) return Steps{s, s};
    return Steps{std::max(shrink * p.interval[r], MIN_STEP), std::max(shrink * p.step[r], MIN_STEP)};
  };
  auto rows_at = [&](int64_t t, int64_t column, std::vector<const T*>& rows) {
    for (int64_t b = 0; b < B; ++b) rows[size_t(b)] = p.inputs + p.batches[t * B + b] * n + column;
  };
  auto encode_and_project = [&](int64_t r, int64_t column, int64_t size, int64_t t, bool predict) {
    distance[size_t(r)] += encode_chunk(p.weights + r * n + column, size, T(fresh[size_t(r)].threshold), low, high,
                                        level, slope, codes, p.lsq[r], p.dampening[t * R + r] != 0);
    if (!predict) return;
    project(next.data(), level, B, &level_sums[size_t(r * B)], size);
    if (p.lsq[r]) project(next.data(), slope, B, &slope_sums[size_t(r * B)], size);
  };

  for (int64_t r = first_run; r < R; r += stride) fresh[size_t(r)] = steps_at(r, 0);
  for (int64_t column = 0; column < n; column += CHUNK) {  // predictions for the first batch
    rows_at(0, column, next);
    for (int64_t r = first_run; r < R; r += stride)
      encode_and_project(r, column, std::min<int64_t>(CHUNK, n - column), 0, true);
  }
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t r = first_run; r < R; r += stride) {
      // Everything that needs the whole weight vector: residuals, and the step of the quantizer.
      const size_t at = size_t(r);
      const double shrink = p.shrink[t * R + r], scale = 2.0 / double(B), lr = p.lr[t * R + r];
      double step_gradient = 0;
      for (int64_t b = 0; b < B; ++b) {
        const size_t i = size_t(r * B + b);
        const double level_sum = add_lanes<T>(level_sums[i]);
        const double error = fresh[at].level * level_sum - double(p.targets[p.batches[t * B + b]]);
        residual[i] = T(scale * error);
        step_gradient += scale * error * (p.lsq[r] ? add_lanes<T>(slope_sums[i]) : shrink * level_sum);
        level_sums[i] = slope_sums[i] = vec{};
      }
      pull[at] = distance[at] > 0 ? T(p.dampening[t * R + r] / std::sqrt(distance[at])) : T(0);
      distance[at] = 0;
      if (p.learns[t * R + r]) {
        const double count = ++p.step_count[r];
        double &m = p.step_first[r], &v = p.step_second[r];
        m += (step_gradient - m) * (1 - p.beta1);
        v = v * p.beta2 + (1 - p.beta2) * step_gradient * step_gradient;
        const double root = std::sqrt(1 - std::pow(p.beta2, count));
        p.step[r] -= lr / (1 - std::pow(p.beta1, count)) * m / (std::sqrt(v) / root + p.eps);
      }
      old[at] = fresh[at];
      fresh[at] = steps_at(r, t + 1);
    }
    const double count = double(p.first_step + t + 1);
    const double correct = 1 - std::pow(p.beta1, count), root = std::sqrt(1 - std::pow(p.beta2, count));
    for (int64_t column = 0; column < n; column += CHUNK) {
      const int64_t size = std::min<int64_t>(CHUNK, n - column);
      rows_at(t, column, now);
      if (t + 1 < steps) rows_at(t + 1, column, next);
      for (int64_t r = first_run; r < R; r += stride) {
        const int64_t at = r * n + column;
        combine(now.data(), &residual[size_t(r * B)], B, g, size);
        shape_gradient(p.weights + at, g, size, T(old[size_t(r)].threshold), low, high, p.lsq[r], pull[size_t(r)]);
        adam_chunk(p.weights + at, p.first + at, p.second + at, g, size, T(p.beta1), T(p.beta2),
                   T(p.lr[t * R + r] / correct), T(root), T(p.eps));
        encode_and_project(r, column, size, t + 1, t + 1 < steps);
        track<false>(tracker, codes, at, at + size, r);
      }
    }
    for (int64_t r = first_run; r < R; r += stride) {
      p.hashes[t * R + r] = tracker.hash[r];
      p.hamming_max[r] = std::max(p.hamming_max[r], tracker.hamming[r]);
    }
  }
}

}  // namespace
