// A layer's weights as weight_summary.py packs them, and every number that follows from thresholds and levels, by prefix
// sums.

import { bytesOf } from "../base/arrays.js";
import { number } from "../base/numbers.js";

async function inflated(value) {
  const stream = new Blob([bytesOf(value)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = planes.length / 4,
    out = new Uint32Array(n);
  for (let i = 0; i < n; i++)
    out[i] = planes[i] | (planes[n + i] << 8) | (planes[2 * n + i] << 16) | (planes[3 * n + i] << 24);
  return out;
}

export async function unpacked(message) {
  const [steps, counts, bins] = await Promise.all([
    inflated(message.values),
    bytesOf(message.counts).length ? inflated(message.counts) : null,
    inflated(message.bins),
  ]);
  const keys = new Uint32Array(steps.length);
  for (let i = 0, key = 0; i < keys.length; i++) {
    key = (key + steps[i]) >>> 0;
    keys[i] = key & 0x80000000 ? key & 0x7fffffff : ~key;
  }
  return new Summary(message, new Float32Array(keys.buffer), counts, bins);
}

const ZERO = new Float64Array(4);

class Summary {
  /**
   * @param {{ size: number, first: number, width: number }} message
   * @param {Float32Array} values
   * @param {Uint32Array | null} counts
   * @param {Uint32Array} bins
   */
  constructor({ size, first, width }, values, counts, bins) {
    this.size = size;
    this.first = first;
    this.width = width;
    this.values = values;
    this.bins = bins;
    this.exact = bins.length === 0;
    // Sums over everything before place i: number, w, w².
    this.vn = new Float64Array(values.length + 1);
    this.v1 = new Float64Array(values.length + 1);
    this.v2 = new Float64Array(values.length + 1);
    for (let i = 0; i < values.length; i++) {
      const n = counts ? counts[i] : 1,
        w = values[i];
      this.vn[i + 1] = this.vn[i] + n;
      this.v1[i + 1] = this.v1[i] + n * w;
      this.v2[i + 1] = this.v2[i] + n * w * w;
    }
    this.bn = new Float64Array(bins.length + 1);
    this.b1 = new Float64Array(bins.length + 1);
    this.b2 = new Float64Array(bins.length + 1);
    for (let i = 0; i < bins.length; i++) {
      const n = bins[i],
        middle = (first + i + 0.5) * width;
      this.bn[i + 1] = this.bn[i] + n;
      this.b1[i + 1] = this.b1[i] + n * middle;
      this.b2[i + 1] = this.b2[i] + n * (middle * middle + (width * width) / 12);
    }
    this.power = (this.v2[values.length] + this.b2[bins.length]) / size;
  }
  // Sets out to [number, sum of w, sum of w²] of all weights below x (a weight at a threshold goes up), and the number of those in
  // the bin that x divides: so many may be on the wrong side.
  below(x, out = new Float64Array(4)) {
    let low = 0,
      high = this.values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.values[middle] < x) low = middle + 1;
      else high = middle;
    }
    out[0] = this.vn[low];
    out[1] = this.v1[low];
    out[2] = this.v2[low];
    out[3] = 0;
    const place = x / this.width - this.first,
      last = this.bins.length;
    if (!last || !(place > 0)) return out;
    const i = Math.min(Math.floor(place), last),
      part = i < last ? place - i : 0;
    out[0] += this.bn[i];
    out[1] += this.b1[i];
    out[2] += this.b2[i];
    if (part > 0) {
      const n = part * this.bins[i],
        middle = (this.first + i + part / 2) * this.width;
      out[0] += n;
      out[1] += n * middle;
      out[2] += n * (middle * middle + (part * this.width) ** 2 / 12);
      out[3] = this.bins[i];
    }
    return out;
  }
}

// The weights with every one pulled by the share `pull` towards the middle of its bin, as dampening alone moves them.
export class Pulled {
  constructor(summary, thresholds, centres, pull) {
    this.summary = summary;
    this.thresholds = thresholds;
    this.centres = centres;
    this.keep = 1 - pull;
  }
  cell(x) {
    let low = 0,
      high = this.thresholds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.thresholds[middle] <= x) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  // Where a weight was that is now at x, not beyond the bin's borders.
  origin(x) {
    if (this.keep === 1) return x;
    const i = this.cell(x),
      w = this.centres[i] + (x - this.centres[i]) / this.keep;
    return Math.min(
      Math.max(w, i ? this.thresholds[i - 1] : -Infinity),
      i < this.thresholds.length ? this.thresholds[i] : Infinity,
    );
  }
  below(x) {
    return this.summary.below(this.origin(x));
  }
  number(x) {
    return this.below(x)[0];
  }
}

// Everything the readouts show, in the units of the weights. grid: { thresholds, levels, centres }, ascending; pull as
// above; near: distance from a threshold; move: how far every weight moves in one step, up or down with equal chance.
export function readoutsOf(summary, grid, { pull = 0, near = 0, move = 0 } = {}) {
  const { thresholds, levels, centres } = grid,
    { size } = summary;
  const pulled = new Pulled(summary, thresholds, centres, pull),
    keep = 1 - pull;
  const occupancy = new Float64Array(levels.length);
  let squares = 0,
    power = 0,
    entropy = 0,
    close = 0,
    crossed = 0,
    unsure = 0,
    slack = 0,
    edges = 0,
    ends = 0;
  let before = ZERO;
  for (let i = 0; i < levels.length; i++) {
    const end = summary.below(i < thresholds.length ? thresholds[i] : Infinity);
    const n = end[0] - before[0],
      s1 = end[1] - before[1],
      s2 = end[2] - before[2];
    // w' = c + keep (w − c) = shift + keep w
    const shift = pull * centres[i],
      t1 = n * shift + keep * s1,
      t2 = n * shift * shift + 2 * shift * keep * s1 + keep * keep * s2;
    squares += t2 - 2 * levels[i] * t1 + levels[i] * levels[i] * n;
    power += t2;
    occupancy[i] = n / size;
    if (n > 0) entropy -= (n / size) * Math.log2(n / size);
    if (i < thresholds.length) {
      unsure += end[3];
      const t = thresholds[i],
        a = levels[i] - t,
        b = levels[i + 1] - t;
      slack += end[3] * Math.abs(b * b - a * a);
    }
    before = end;
  }
  let reached = -Infinity;
  for (const t of thresholds) {
    // Neighbourhoods overlap where the distance is more than half a bin; a weight counts once.
    const from = Math.max(t - near, reached),
      to = t + near;
    if (to >= from) {
      const [more, less] = [pulled.below(after(to)), pulled.below(from)];
      close += more[0] - less[0];
      edges += more[3] + less[3];
    }
    reached = Math.max(reached, after(to));
    if (move > 0) {
      const [more, less] = [pulled.below(t + move), pulled.below(t - move)];
      crossed += (more[0] - less[0]) / 2;
      ends += (more[3] + less[3]) / 2;
    }
  }
  const mse = Math.max(squares, 0) / size;
  return {
    mse,
    occupancy,
    entropy,
    power: power / size,
    sqnr: 10 * Math.log10(power / size / mse),
    near: Math.min(close / size, 1),
    crossings: crossed / size,
    // Bounds: as if every weight of a divided bin were on the wrong side, and as if it were at the bin's border.
    bound: {
      misplaced: unsure / size,
      near: edges / size,
      crossings: ends / size,
      mse: (slack + (summary.exact ? 0 : summary.width * Math.sqrt(mse) * size)) / size,
    },
  };
}

// "at most" the distance away: weights exactly at x count, so the next number above is asked for.
export function after(x) {
  return x + Math.max(Math.abs(x), 1e-30) * 2 ** -40;
}

// The level interval of least squared error at these thresholds.
export function bestLevel(summary, thresholds, centres, pull, cut, alpha) {
  let above = 0,
    below = 0,
    before = ZERO;
  for (let i = 0; i < centres.length; i++) {
    const end = summary.below(i < thresholds.length ? thresholds[i] : Infinity),
      n = end[0] - before[0];
    const place = centres[i] / cut;
    above += place * (n * pull * centres[i] + (1 - pull) * (end[1] - before[1]));
    below += n * place * place;
    before = end;
  }
  return above / Math.max(below * alpha, 1e-300);
}
