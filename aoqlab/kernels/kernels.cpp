// Compiled CPU kernels of aoqlab. Plain C++17 with an extern "C" interface, no Torch headers: it compiles in about two
// seconds and is loaded with ctypes (see kernels/native.py). Every kernel has an eager twin in Torch that the tests hold it
// against. No value that is compared with a threshold has the form a * b + c, so contraction into fused multiply-adds
// leaves codes and fake-quantized values bit for bit equal to Torch's.

#include "ltq.hpp"
#include "quantizers.hpp"
#include "toy.hpp"
#include "tracker.hpp"

extern "C" void use_gomp(Gomp parallel) { gomp = parallel; }

#define AOQLAB_QUANTIZERS(T, S)                                                                                        \
  extern "C" void uniform_forward_##S(const T* x, T* out, uint8_t* codes, int64_t rows, int64_t cols, const T* tstep,  \
                                      int64_t tstride, const T* lstep, int64_t lstride, double toff, double loff,      \
                                      int64_t low, int64_t high, int64_t threads) {                                    \
    uniform_forward<T>(x, out, codes, rows, cols, tstep, tstride, lstep, lstride, Grid{toff, loff, low, high}, threads);\
  }                                                                                                                    \
  extern "C" void aoq_backward_##S(const uint8_t* codes, const T* grad, int64_t rows, int64_t cols, T* level_grad,     \
                                   double toff, double loff, int64_t low, int64_t high, int64_t threads) {             \
    aoq_backward<T>(codes, grad, rows, cols, level_grad, Grid{toff, loff, low, high}, threads);                        \
  }                                                                                                                    \
  extern "C" void lsq_backward_##S(const T* x, const T* grad, T* grad_x, int64_t rows, int64_t cols, const T* step,    \
                                   T* step_grad, double toff, double loff, int64_t low, int64_t high,                  \
                                   int64_t threads) {                                                                  \
    lsq_backward<T>(x, grad, grad_x, rows, cols, step, step_grad, Grid{toff, loff, low, high}, threads);               \
  }                                                                                                                    \
  extern "C" void ltq_forward_##S(const T* x, T* out, int64_t size, const T* widths, int64_t n, const T* input_scale,  \
                                  const T* output_scale, int64_t threads) {                                            \
    ltq_forward<T>(x, out, size, widths, n, input_scale, output_scale, threads);                                       \
  }                                                                                                                    \
  extern "C" void ltq_backward_##S(const T* x, const T* grad, T* grad_x, int64_t size, const T* widths, int64_t n,     \
                                   const T* input_scale, const T* output_scale, T* width_grad, T* input_grad,          \
                                   T* output_grad, int64_t threads) {                                                  \
    ltq_backward<T>(x, grad, grad_x, size, widths, n, input_scale, output_scale, width_grad, input_grad, output_grad,  \
                    threads);                                                                                          \
  }

AOQLAB_QUANTIZERS(float, f32)
AOQLAB_QUANTIZERS(double, f64)

#define AOQLAB_TRACKER_PARAMS                                                                                          \
  int32_t *crossings, int32_t *oscillations, float *frequency, const uint8_t *initial, uint8_t *current,               \
      int16_t *visited, uint8_t *lowest, uint8_t *highest, int64_t *histogram, int64_t *transitions, int64_t *hamming, \
      int64_t *hash, int64_t n_levels, double momentum
#define AOQLAB_TRACKER                                                                                                 \
  Tracker {                                                                                                            \
    crossings, oscillations, frequency, initial, current, visited, lowest, highest, histogram, transitions, hamming,   \
        hash, n_levels, float(momentum)                                                                                \
  }

// offsets: n_layers + 1 positions in the flat arrays.
extern "C" void tracker_update(const uint8_t* codes, const int64_t* offsets, int64_t n_layers,
                               AOQLAB_TRACKER_PARAMS, int64_t threads) {
  const Tracker tracker = AOQLAB_TRACKER;
  const int64_t total = offsets[n_layers], blocks = (total + BLOCK - 1) / BLOCK;
  parallel(blocks, threads, [=](int64_t first, int64_t last) {
    const int64_t stop = std::min(last * BLOCK, total);
    int64_t begin = first * BLOCK;
    int64_t layer = std::upper_bound(offsets, offsets + n_layers + 1, begin) - offsets - 1;
    for (; begin < stop; ++layer) {
      const int64_t end = std::min(stop, offsets[layer + 1]);
      if (end > begin) track<true>(tracker, codes + begin, begin, end, layer);
      begin = std::max(begin, end);
    }
  });
}

#define AOQLAB_TOY(T, S)                                                                                               \
  extern "C" void toy_steps_##S(                                                                                       \
      const T* inputs, const T* targets, const int64_t* batches, int64_t n, int64_t batch, int64_t runs, T* weights,   \
      T* first, T* second, double* step, double* step_first, double* step_second, double* step_count,                  \
      const double* interval, const uint8_t* lsq, const double* lr, const double* shrink, const double* dampening,     \
      const uint8_t* learns, int64_t* hashes, int64_t* hamming_max, int64_t first_step, double beta1,  \
      double beta2, double eps, int64_t steps, AOQLAB_TRACKER_PARAMS, int64_t threads) {                               \
    const Toy<T> toy{inputs, targets,     batches,     n,          batch,    runs,    weights,                         \
                     first,  second,      step,        step_first, step_second, step_count, interval,                  \
                     lsq, lr,         shrink,      dampening,  learns,   hashes,                                       \
                     hamming_max, first_step, beta1,   beta2,      eps};                                               \
    const Tracker tracker = AOQLAB_TRACKER;                                                                            \
    const int64_t workers = std::max<int64_t>(1, std::min(threads, runs));                                             \
    parallel(workers, workers, [=](int64_t from, int64_t to) {                                                         \
      for (int64_t w = from; w < to; ++w) toy_runs<T>(toy, tracker, steps, w, workers);                                \
    });                                                                                                                \
  }

AOQLAB_TOY(float, f32)
AOQLAB_TOY(double, f64)
