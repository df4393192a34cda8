// Oscillation tracker, see aoqlab/tracker/.
#pragma once

#include "common.hpp"

namespace {

struct Tracker {
  int32_t *crossings, *oscillations;
  float* frequency;  // its sign bit keeps the direction of the last crossing: negative means down
  const uint8_t* initial;
  uint8_t* current;
  int16_t* visited;            // bit mask of levels, up to 4 bits; null above
  uint8_t *lowest, *highest;   // above 4 bits; null up to 4
  int64_t *histogram, *transitions, *hamming, *hash;  // totals per layer
  int64_t n_levels;
  float momentum;
};

inline uint64_t splitmix(uint64_t z) {  // a random 64-bit number for every (weight, level)
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

template <bool SHARED>
inline void add(int64_t* where, int64_t what) {
  if constexpr (SHARED)
    __atomic_fetch_add(where, what, __ATOMIC_RELAXED);
  else
    *where += what;
}

// Feed the codes of weights begin ... end - 1, all of one layer; codes[0] belongs to weight `begin`.
template <bool SHARED>
void track(const Tracker& t, const uint8_t* codes, int64_t begin, int64_t end, int64_t layer) {
  const float keep = 1.0f - t.momentum, momentum = t.momentum;
  float* __restrict frequency = t.frequency;
  for (int64_t i = begin; i < end; ++i) frequency[i] *= keep;
  const int64_t L = t.n_levels;
  int64_t moved_away = 0;
  uint64_t hash = 0;
  auto one = [&](int64_t i) {
    const int from = t.current[i], to = codes[i - begin], d = to - from;
    if (d == 0) return;
    const bool down = d < 0, oscillates = t.crossings[i] > 0 && std::signbit(frequency[i]) != down;
    t.crossings[i] += down ? -d : d;
    t.oscillations[i] += oscillates;
    const float f = std::fabs(frequency[i]) + (oscillates ? momentum : 0.0f);
    frequency[i] = down ? -f : f;
    if (t.visited) {
      t.visited[i] = int16_t(t.visited[i] | (1 << to));
    } else {
      t.lowest[i] = uint8_t(std::min<int>(t.lowest[i], to));
      t.highest[i] = uint8_t(std::max<int>(t.highest[i], to));
    }
    t.current[i] = uint8_t(to);
    add<SHARED>(t.histogram + layer * L + from, -1);
    add<SHARED>(t.histogram + layer * L + to, 1);
    add<SHARED>(t.transitions + (layer * L + from) * L + to, 1);
    moved_away += (to != t.initial[i]) - (from != t.initial[i]);
    hash += splitmix(uint64_t(i) * 256 + uint64_t(to)) - splitmix(uint64_t(i) * 256 + uint64_t(from));
  };
  int64_t i = begin;
  for (; i + 8 <= end; i += 8) {  // eight codes at a time: most weights stay where they are
    uint64_t before, now;
    std::memcpy(&before, t.current + i, 8);
    std::memcpy(&now, codes + (i - begin), 8);
    if (before != now)
      for (int64_t j = i; j < i + 8; ++j) one(j);
  }
  for (; i < end; ++i) one(i);
  add<SHARED>(t.hamming + layer, moved_away);
  add<SHARED>(t.hash + layer, int64_t(hash));
}

}  // namespace
