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
  const [cells, counts] = await Promise.all([
    inflated(message.cells),
    bytesOf(message.counts).length ? inflated(message.counts) : null,
  ]);
  for (let i = 1; i < cells.length; i++) cells[i] += cells[i - 1];
  return new Summary(message, cells, counts);
}

// The float32 that is `offset` places above the lowest one of each cell.
function floatsOf(cells, dropped, offset) {
  const keys = Uint32Array.from(cells, (cell) => ((cell << dropped) + offset) >>> 0);
  for (let i = 0; i < keys.length; i++) keys[i] = keys[i] & 0x80000000 ? keys[i] & 0x7fffffff : ~keys[i];
  return new Float32Array(keys.buffer);
}

const ZERO = new Float64Array(4);

class Summary {
  /**
   * @param {{ size: number, dropped: number }} message
   * @param {Uint32Array} cells
   * @param {Uint32Array | null} counts
   */
  constructor({ size, dropped }, cells, counts) {
    this.size = size;
    this.exact = dropped === 0;
    this.relative = this.exact ? 0 : 2 ** (dropped - 23); // the width of a cell, as a part of the weights in it
    this.low = floatsOf(cells, dropped, 0);
    this.high = this.exact ? this.low : floatsOf(cells, dropped, 2 ** dropped);
    const middle = this.exact ? this.low : floatsOf(cells, dropped, 2 ** (dropped - 1));
    // Sums over everything before cell i: number, w, w².
    this.n = new Float64Array(cells.length + 1);
    this.s1 = new Float64Array(cells.length + 1);
    this.s2 = new Float64Array(cells.length + 1);
    for (let i = 0; i < cells.length; i++) {
      const n = counts ? counts[i] : 1,
        w = middle[i];
      this.n[i + 1] = this.n[i] + n;
      this.s1[i + 1] = this.s1[i] + n * w;
      this.s2[i + 1] = this.s2[i] + n * w * w;
    }
    this.power = this.s2[cells.length] / size;
  }
  // Sets out to [number, sum of w, sum of w²] of all weights below x (a weight at a threshold goes up), and the number of those in
  // the cell that x divides: so many may be on the wrong side.
  below(x, out = new Float64Array(4)) {
    let low = 0,
      high = this.low.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.low[middle] < x) low = middle + 1;
      else high = middle;
    }
    const cell = low - 1;
    const divided = low > 0 && x < this.high[cell];
    const whole = divided ? cell : low;
    out[0] = this.n[whole];
    out[1] = this.s1[whole];
    out[2] = this.s2[whole];
    out[3] = 0;
    if (divided) {
      const from = this.low[cell],
        all = this.n[low] - this.n[cell];
      const n = (all * (x - from)) / (this.high[cell] - from),
        middle = (from + x) / 2;
      out[0] += n;
      out[1] += n * middle;
      out[2] += n * middle * middle;
      out[3] = all;
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
    // Bounds: as if every weight of a divided cell were on the wrong side, and as if it were at the cell's border.
    bound: {
      misplaced: unsure / size,
      near: edges / size,
      crossings: ends / size,
      mse: slack / size + summary.relative * Math.sqrt(mse * summary.power),
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
