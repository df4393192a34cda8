// Fake quantization of activations on learned bins (LTQ), forward and backward.
#pragma once

#include "common.hpp"
#include "simd.hpp"

namespace {

// n bins with edges T_0 = 0 ... T_n and centres c_1 ... c_n, in units of z = u x, as in aoqlab/ste.py.
template <class T>
struct Bins {
  static constexpr int MOST = 255;  // 8 bits
  int64_t n;
  T u, unit;
  T widths[MOST], edges[MOST + 1], centres[MOST + 1], levels[MOST + 1], slopes[MOST + 1];

  Bins(const T* bin_widths, int64_t n_, const T* input_scale, const T* output_scale) : n(n_) {
    const T narrowest = T(1e-6);  // aoqlab.ste.MIN_BIN_WIDTH
    u = usable_step(*input_scale);
    unit = usable_step(*output_scale) * T(2.0 / double(n));
    double total = 0;  // the precision of torch.cumsum on the CPU
    edges[0] = levels[0] = 0;
    for (int64_t i = 0; i < n; ++i) {
      const T a = bin_widths[i] < narrowest ? narrowest : bin_widths[i];
      total += double(a);
      widths[i] = a;
      edges[i + 1] = T(total);
      centres[i] = edges[i] + a / 2;
      levels[i + 1] = unit * T(i + 1);
      slopes[i] = u * unit / a;
    }
    slopes[n] = 0;  // above the last edge
    centres[n] = std::numeric_limits<T>::infinity();
  }
};

template <class T, int N>
void ltq_forward_few(const T* x, T* out, int64_t begin, int64_t end, const Bins<T>& bins) {
  using S = Simd<T>;
  const typename S::template Count<N> count(bins.centres);
  const typename S::template Pick<N + 1> level(bins.levels);
  const auto u = S::fill(bins.u);
  auto one = [&](const T* from, T* to) {
    const auto v = S::load(from);
    S::store(to, S::where(S::nan(v), v, level(count(u * v))));
  };
  int64_t i = begin;
  for (; i + S::width <= end; i += S::width) one(x + i, out + i);
  if (i < end) {
    T padded[S::width] = {};
    std::copy(x + i, x + end, padded);
    one(padded, padded);
    std::copy(padded, padded + (end - i), out + i);
  }
}

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

template <class T>
void ltq_forward(const T* x, T* out, int64_t size, const T* widths, int64_t n, const T* input_scale,
                 const T* output_scale, int64_t threads) {
  const Blocks blocks(1, size);
  const Bins<T> bins(widths, n, input_scale, output_scale);
  advise_huge(out, size * int64_t(sizeof(T)));
  parallel(blocks.count(), threads, [&](int64_t first, int64_t last) {
    const int64_t begin = first * BLOCK, end = std::min(last * BLOCK, size);
    if (n == 3) return ltq_forward_few<T, 3>(x, out, begin, end, bins);
    if (n == 7) return ltq_forward_few<T, 7>(x, out, begin, end, bins);
    if (n == 15) return ltq_forward_few<T, 15>(x, out, begin, end, bins);
    const Table<T> table(bins.centres, n);
    for (int64_t i = begin; i < end; ++i)
      out[i] = x[i] == x[i] ? bins.unit * T(table.below(bins.u * x[i])) : x[i];
  });
}

// Up to 4 bits: every vector is added to the sums of all bins under masks. The sums of 8 bins at a time stay in registers.
template <class T, int N>
struct FewSums {
  using S = Simd<T>;
  using vec = typename S::vec;
  using index = typename S::index;
  static constexpr int VECTORS = 1024 / S::width, FIRST = N < 8 ? N : 7;

  const typename S::template Count<N> count;
  const typename S::template Pick<N + 1> slope, centre;
  const vec u;
  vec g[N], gx[N], code;

  explicit FewSums(const Bins<T>& bins)
      : count(bins.edges + 1), slope(bins.slopes), centre(bins.centres), u(S::fill(bins.u)), g{}, gx{}, code{} {}

  template <int FROM, int TO>
  static inline void add(vec* sum_g, vec* sum_gx, index bin, vec gv, vec xv) {
    for (int j = FROM; j < TO; ++j) {
      const auto inside = S::is(bin, j);
      sum_g[j - FROM] = S::add_where(inside, sum_g[j - FROM], gv);
      sum_gx[j - FROM] = S::add_product_where(inside, sum_gx[j - FROM], gv, xv);
    }
  }

  void run(const T* x, const T* grad, T* grad_x, int vectors) {
    index bin[VECTORS];
    vec sum_g[8] = {}, sum_gx[8] = {}, sum_code = {};
    const vec zero = {}, one = S::fill(1);
    for (int v = 0; v < vectors; ++v) {
      const vec xv = S::load(x + v * S::width), gv = S::load(grad + v * S::width), z = u * xv;
      const index found = count(z);
      const auto positive = S::above(z, zero);
      S::store(grad_x + v * S::width, gv * S::where(positive, slope(found), zero));
      const vec below = S::value(found);
      sum_code = S::add_product(sum_code, gv, S::where(S::above(z, centre(found)), below + one, below));
      const index here = S::where(positive, found, N);
      if constexpr (FIRST < N) bin[v] = here;
      add<0, FIRST>(sum_g, sum_gx, here, gv, xv);
    }
    code += sum_code;
    for (int j = 0; j < FIRST; ++j) g[j] += sum_g[j], gx[j] += sum_gx[j];
    if constexpr (FIRST < N) {
      for (auto* sums : {sum_g, sum_gx}) std::fill(sums, sums + 8, zero);
      for (int v = 0; v < vectors; ++v)
        add<FIRST, N>(sum_g, sum_gx, bin[v], S::load(grad + v * S::width), S::load(x + v * S::width));
      for (int j = FIRST; j < N; ++j) g[j] += sum_g[j - FIRST], gx[j] += sum_gx[j - FIRST];
    }
  }
};

template <class T>
double lanes(typename Simd<T>::vec v) {
  T values[Simd<T>::width];
  Simd<T>::store(values, v);
  double total = 0;
  for (T value : values) total += double(value);
  return total;
}

template <class T, int N>
void ltq_backward_few(const T* x, const T* grad, T* grad_x, int64_t size, const Bins<T>& bins, double* sums) {
  using Sums = FewSums<T, N>;
  constexpr int W = Sums::S::width;
  Sums all(bins);
  int64_t i = 0;
  for (; i + W <= size; i += Sums::VECTORS * W)
    all.run(x + i, grad + i, grad_x + i, int(std::min<int64_t>(Sums::VECTORS, (size - i) / W)));
  i = size / W * W;
  if (i < size) {  // the padding has g = 0 and adds nothing
    T x_here[W] = {}, grad_here[W] = {}, out_here[W];
    std::copy(x + i, x + size, x_here);
    std::copy(grad + i, grad + size, grad_here);
    all.run(x_here, grad_here, out_here, 1);
    std::copy(out_here, out_here + (size - i), grad_x + i);
  }
  for (int j = 0; j < N; ++j) sums[j] = lanes<T>(all.g[j]), sums[N + j] = lanes<T>(all.gx[j]);
  sums[2 * N] = lanes<T>(all.code);
}

// Above 4 bits: every element is added to the sums of its bin. Four tables in turn, because the sum of one element has to
// be stored before the next of the same bin can be loaded.
template <class T>
void ltq_backward_many(const T* x, const T* grad, T* grad_x, int64_t size, const Bins<T>& bins, double* sums) {
  constexpr int64_t CHUNK = 1024;
  const Table<T> table(bins.edges + 1, bins.n);
  const int64_t nowhere = bins.n + 1;
  std::vector<double> tables(size_t(4 * 2 * (nowhere + 1)));
  int32_t found[CHUNK], bin[CHUNK];
  double code_sum = 0;
  for (int64_t i = 0; i < size; i += CHUNK) {
    const int64_t here = std::min(CHUNK, size - i);
    for (int64_t j = 0; j < here; ++j) found[j] = table.below(bins.u * x[i + j]);
    for (int64_t j = 0; j < here; ++j) {
      const bool positive = bins.u * x[i + j] > 0;
      bin[j] = positive ? found[j] : int32_t(nowhere);
      grad_x[i + j] = positive ? grad[i + j] * bins.slopes[found[j]] : T(0);
    }
    code_sum += lane_sum<T>(0, here, [&](int64_t j) {
      return grad[i + j] * T(found[j] + (bins.u * x[i + j] > bins.centres[found[j]] ? 1 : 0));
    });
    for (int64_t j = 0; j < here; ++j) {
      double* sum = tables.data() + 2 * ((j % 4) * (nowhere + 1) + bin[j]);
      sum[0] += double(grad[i + j]);
      sum[1] += double(grad[i + j]) * double(x[i + j]);
    }
  }
  for (int64_t b = 0; b < bins.n; ++b)
    for (int64_t k = 0; k < 2; ++k) {
      sums[k * bins.n + b] = 0;
      for (int64_t t = 0; t < 4; ++t) sums[k * bins.n + b] += tables[size_t(2 * (t * (nowhere + 1) + b) + k)];
    }
  sums[2 * bins.n] = code_sum;
}

// Gradients of x and, summed over all elements, of the widths (n), the input scale and the output scale (1 each).
template <class T>
void ltq_backward(const T* x, const T* grad, T* grad_x, int64_t size, const T* widths, int64_t n, const T* input_scale,
                  const T* output_scale, T* width_grad, T* input_grad, T* output_grad, int64_t threads) {
  const Blocks blocks(1, size);
  const Bins<T> bins(widths, n, input_scale, output_scale);
  const int64_t stride = 2 * n + 1;
  std::vector<double> partial(size_t(blocks.count() * stride));
  advise_huge(grad_x, size * int64_t(sizeof(T)));
  auto block = n == 3    ? ltq_backward_few<T, 3>
               : n == 7  ? ltq_backward_few<T, 7>
               : n == 15 ? ltq_backward_few<T, 15>
                         : ltq_backward_many<T>;
  parallel(blocks.count(), threads, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t at = blocks.begin(b);
      block(x + at, grad + at, grad_x + at, blocks.end(b) - at, bins, partial.data() + b * stride);
    }
  });
  std::vector<double> sums(size_t(stride), 0.0);
  for (int64_t b = 0; b < blocks.count(); ++b)
    for (int64_t j = 0; j < stride; ++j) sums[size_t(j)] += partial[size_t(b * stride + j)];
  // On bin i the ramp is unit * (i - 1 + (u x - T_{i-1}) / a_i): its own width scales it, earlier widths shift it.
  const double u = double(bins.u), unit = double(bins.unit);
  double later = 0, input_sum = 0;
  for (int64_t i = n - 1; i >= 0; --i) {
    const double a = double(bins.widths[i]), g = sums[size_t(i)], gx = sums[size_t(n + i)];
    width_grad[i] = T(-unit * ((u * gx - double(bins.edges[i]) * g) / (a * a) + later));
    later += g / a;
    input_sum += gx / a;
  }
  *input_grad = T(unit * input_sum);
  *output_grad = T(sums[size_t(2 * n)] * (2.0 / double(n)));
}

}  // namespace
