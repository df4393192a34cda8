// Stored courses of all settings, and the two surfaces of their ends with a ring on each.

import { mix } from "../base/colors.js";
import { number } from "../base/numbers.js";

export const METHODS = ["aoq", "lsq"];
export const NAMES = { aoq: "AOQ", lsq: "LSQ" };
export const SETTINGS = { aoq: "shrink_min", lsq: "step_init" };
export const SYMBOLS = { aoq: "αₘᵢₙ", lsq: "s₀" };

export const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Arrays of shape (learning rates, settings, seeds, records) and what is asked of them; runs of one place are `seeds`
// courses of `records` numbers.
export class Courses {
  constructor(values, rates, settings, seeds) {
    this.values = values;
    this.rates = rates;
    this.settings = settings;
    this.seeds = seeds;
    this.records = values.length / (rates * settings * seeds);
  }
  at(rate, setting) {
    const own = this.seeds * this.records,
      from = (rate * this.settings + setting) * own;
    return Array.from({ length: this.seeds }, (_, seed) =>
      this.values.subarray(from + seed * this.records, from + (seed + 1) * this.records),
    );
  }
  ends(rate, setting) {
    return this.at(rate, setting).map((course) => course.at(-1));
  }
  // Mean of the last record, a row per learning rate.
  means() {
    return Float64Array.from({ length: this.rates * this.settings }, (_, i) =>
      meanOf(this.ends(Math.floor(i / this.settings), i % this.settings)),
    );
  }
}

// Both surfaces of a measure on one scale; the returned function draws them with rings where the sliders are.
export function surfacesOf(ui, stored, maps, measures) {
  const { data } = ui,
    surfaces = {};

  // The means of a measure with the ends of their common colours; loss by its logarithm, yellow where it is least.
  function surfaceOf(measure) {
    const means = Object.fromEntries(METHODS.map((method) => [method, stored[method][measure].means()]));
    const all = METHODS.flatMap((method) => [...means[method]]);
    const log = measure === "loss";
    const low = Math.min(...all);
    const high = Math.max(...all);
    const scale = log ? Math.log : (x) => x;
    const place = (x) => (scale(x) - scale(low)) / (scale(high) - scale(low));
    return { means, low, high, log, shade: (x) => mix(data.map, log ? 1 - place(x) : place(x)) };
  }

  function drawMap(method, state, surface) {
    const panel = maps[method],
      settings = data.settings[method],
      { rates } = data;
    const columns = settings.length,
      rows = rates.length,
      every = Math.ceil((30 * columns) / (panel.canvas.clientWidth - 120));
    const middles = (n, step = 1) => Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step + 0.5);
    const axes = panel.axes({
      x: [0, columns],
      y: [0, rows],
      xlabel: SYMBOLS[method],
      xticks: middles(columns, every),
      yticks: middles(rows),
      xformat: (x) => `${settings[Math.floor(x)]}`,
      yformat: (y) => `${rates[Math.floor(y)]}`,
      bar: true,
    });
    const means = surface.means[method];
    axes.heat(means, columns, rows, surface.shade);
    axes.colorbar({ ...surface, label: measures[state.measure].replace(/ \(.*/, "") });
    const cell = (i, row, style) => {
      const corners = [
        [i, row],
        [i + 1, row],
        [i + 1, row + 1],
        [i, row + 1],
        [i, row],
      ];
      axes.line(
        corners.map(([x]) => x),
        corners.map(([, y]) => y),
        style,
      );
    };
    if (surface.log) {
      const best = means.indexOf(Math.min(...means));
      cell(best % columns, Math.floor(best / columns), { color: "#ffffff", width: 3 });
      cell(best % columns, Math.floor(best / columns), { color: "#000000", width: 1.2, dash: [3, 2] });
    }
    const at = [[state[SETTINGS[method]] + 0.5], [state.lr + 0.5]];
    axes.dots(...at, { size: 7, ring: true, color: "#ffffff", width: 4.5 });
    axes.dots(...at, { size: 7, ring: true, color: "#000000", width: 2 });
    panel.caption.textContent = `${NAMES[method]}; η upwards${surface.log ? "; dashed: the best" : ""}`;
    panel.describe(
      `${measures[state.measure]} at the ring: ${number(means[state.lr * columns + state[SETTINGS[method]]])}`,
    );
  }

  return (state) => {
    surfaces[state.measure] ??= surfaceOf(state.measure);
    const surface = surfaces[state.measure];
    for (const method of METHODS) drawMap(method, state, surface);
  };
}
