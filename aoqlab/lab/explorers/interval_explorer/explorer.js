// The interval explorer: thresholds and levels over the weights of a layer. All numbers follow from the layer's summary.

import { sentenceOf } from "../base/elements.js";
import { number, percent } from "../base/numbers.js";
import { drawHistogram, drawShares, drawStairs, grouped, heightsOf, levelColors } from "./pictures.js";
import { bestLevel, readoutsOf, unpacked } from "./weight_summary.js";

const STAGES = {
  shrink: "both intervals shrink.",
  widen: "levels learn; here they go to the least squared error of these weights, for there is no other loss.",
  dampen: "dampening pulls weights to the middle of their bin; how far it gets here is chosen for the eye.",
};
const STATISTIC = "StatsQ takes its step from the weights";

/** @param {Ui} ui */
export const explore = (ui) => new Intervals(ui);

/** @implements {View} */
class Intervals {
  /** @param {Ui} ui */
  constructor(ui) {
    this.ui = ui;
    this.histogram = ui.panel({ title: "weights by level; thresholds dashed, levels ▼", height: 250, grow: 1.3 });
    this.stairs = ui.panel({ title: "quantizer; dashed: for its gradient", height: 250 });
    this.bars = ui.panel({ title: "share of the weights on every level", height: 250 });
    /** @type {Record<string, any>} */
    this.summaries = {};
    this.loading = new Set();
    this.failed = new Map(); // layer → whether a kernel was there
    this.colors = { key: "", all: [""] };
    this.heights = { key: "", all: new Float64Array(0) };
    this.load(ui.state.layer);
  }

  async load(layer) {
    const { ui, summaries } = this;
    if (summaries[layer] || this.loading.has(layer) || this.failed.has(layer)) return;
    this.loading.add(layer);
    let sentence = "";
    try {
      const message = ui.data.summaries[layer] ?? (await ui.ask("layer", { layer }));
      const { unit, unitName, view, starts } = message;
      summaries[layer] = message.size
        ? Object.assign(await unpacked(message), { unit, unitName, view, starts })
        : message;
      sentence = message.sentence ?? "";
      summaries[layer].sentence = sentence;
    } catch (error) {
      this.failed.set(layer, ui.alive()); // asking at every frame would never end
      sentence = `Layer ${layer}: ${sentenceOf(error)}`;
    }
    this.loading.delete(layer);
    if (ui.state.layer === layer) ui.say(sentence);
    ui.redraw();
  }

  // s_th and s_le before shrinking, in units of the weights: of the sliders, or of what they show.
  intervals(state, summary) {
    const own = this.ui.data.quantizers[state.quantizer];
    const { learned } = this.ui.data.layers[state.layer];
    const pair = (th, le) => [th, own.decoupled ? le : th];
    if (own.slides && state.start === "learned" && learned)
      return pair(learned.threshold_interval * learned.shrink, learned.level_interval * learned.shrink);
    if (!own.slides || state.start !== "free") return Array(2).fill(summary.starts[state.quantizer][state.bits]);
    const th = this.ui.value("th") * summary.unit;
    return pair(th, state.locked ? th : this.ui.value("le") * summary.unit);
  }

  // Thresholds and levels, in float32 as the package has them.
  grid(state, summary) {
    const { ui } = this;
    const own = ui.data.quantizers[state.quantizer];
    const bits = ui.value("bits");
    const n = 2 ** bits;
    const moment = own.decoupled ? ui.value("moment") : null;
    const alpha = !own.decoupled ? 1 : moment ? moment.shrink : ui.value("alpha");
    let [th, le] = this.intervals(state, summary);
    const step = (interval) => Math.max(Math.fround(Math.fround(alpha) * Math.fround(interval)), ui.data.minStep);
    const at = (s, offset, from, count) =>
      Float64Array.from({ length: count }, (_, i) => Math.fround(s * (i + from + offset)));
    const cut = step(th);
    const low = -n / 2;
    const thresholds = at(cut, own.thresholdOffset, low + 1, n - 1);
    const centres = at(cut, own.levelOffset, low, n);
    const pull = moment?.pull ?? 0;
    if (moment?.learned)
      le = (1 - moment.learned) * le + moment.learned * bestLevel(summary, thresholds, centres, pull, cut, alpha);
    const levels = at(step(le), own.levelOffset, low, n);
    return { n, bits, alpha, th, le, cut, pull, moment, clips: own.clips, thresholds, centres, levels };
  }

  // Trained intervals belong to the trained quantizer alone; a file may not say all about it.
  fits(state, learned) {
    const { values } = this.ui.specs.bits;
    return learned?.kinds.includes(state.quantizer) && [null, values[state.bits]].includes(learned.bits);
  }

  // Sliders show the stops nearest to what holds, and what cannot be moved is switched off with the reason.
  settle(state) {
    const { ui } = this;
    if (state.start === "learned" && !this.fits(state, ui.data.layers[state.layer].learned)) state.start = "own";
    const own = ui.data.quantizers[state.quantizer];
    const summary = this.summaries[state.layer];
    if (summary?.size) {
      const [th, le] = this.intervals(state, summary);
      if (state.start !== "free" || !own.slides) {
        state.th = this.nearest("th", th / summary.unit);
        state.le = this.nearest("le", le / summary.unit);
      } else if (!own.decoupled || state.locked) state.le = state.th;
    }
    ui.enable("th", own.slides, STATISTIC);
    ui.enable("start", own.slides, STATISTIC);
    const moment = own.decoupled ? ui.value("moment") : null;
    if (moment) state.alpha = this.nearest("alpha", moment.shrink);
    const learn = moment?.learned > 0;
    const why = learn ? "In this stage the levels learn" : own.slides ? "LSQ has a single step" : STATISTIC;
    for (const name of ["le", "locked"]) ui.enable(name, own.decoupled && !learn, why);
    for (const name of ["alpha", "moment"])
      ui.enable(name, own.decoupled, "Only AOQ shrinks its intervals and trains in stages");
  }

  // The stop nearest to a ratio, by the logarithm.
  nearest(name, ratio) {
    const { values } = this.ui.specs[name];
    const distance = (v) => Math.abs(Math.log(Math.max(v, 1e-9) / Math.max(ratio, 1e-9)));
    return values.reduce((best, v, i) => (distance(v) < distance(values[best]) ? i : best), 0);
  }

  changed(name, state) {
    const { ui } = this;
    if (name === "th" || name === "le") {
      state.start = "free";
      if (state.locked) state[name === "th" ? "le" : "th"] = state[name];
    }
    if (name === "locked" && state.locked) {
      state.le = state.th;
      if (state.start === "learned") state.start = "free";
    }
    if (name === "alpha") state.moment = 0;
    if (name === "moment" && !state.moment) state.alpha = ui.specs.alpha.values.length - 1; // training has not begun
    const { learned } = ui.data.layers[state.layer];
    if ((name === "start" || name === "layer") && state.start === "learned" && learned) {
      if (!learned.kinds.includes(state.quantizer)) state.quantizer = learned.kinds[0];
      if (learned.bits !== null) state.bits = ui.specs.bits.values.indexOf(learned.bits);
    }
    if (name === "start" && state.start === "learned" && !learned)
      ui.say(`No finite intervals were trained with ${state.layer}.`);
    else if (name === "layer") {
      this.failed.delete(state.layer);
      ui.say(this.summaries[state.layer]?.sentence ?? "");
      this.load(state.layer);
    }
    if (name === "start" && state.start !== "free") state.locked = false;
    this.settle(state);
  }

  draw(state) {
    const { ui } = this;
    // What could not come is asked for again when a kernel has come back, or the layer is chosen again.
    if (this.failed.has(state.layer)) {
      if (!ui.alive()) this.failed.set(state.layer, false);
      else if (!this.failed.get(state.layer)) this.failed.delete(state.layer);
    }
    // Python or another view may have changed the state, too.
    const before = JSON.stringify(state);
    this.settle(state);
    if (before !== JSON.stringify(state)) ui.show();
    const summary = this.summaries[state.layer];
    if (!summary) this.load(state.layer);
    if (summary?.size) this.drawLayer(state, summary);
    else this.blank(summary ? "no finite weights" : this.loading.has(state.layer) ? "loading …" : "not here");
  }

  drawLayer(state, summary) {
    const { ui } = this;
    const grid = this.grid(state, summary);
    const options = { pull: grid.pull, near: ui.value("near") * grid.cut, move: ui.value("move") * summary.unit };
    const found = readoutsOf(summary, grid, options);
    this.nameUnit(summary.unitName);
    const counted = (value) => `${value} ${summary.unitName}`.trim();
    ui.beside("th", counted(number(grid.th / summary.unit)));
    ui.beside("le", counted(number(grid.le / summary.unit)));
    ui.beside("move", counted(ui.value("move")));
    ui.beside("alpha", grid.alpha.toFixed(2));
    const { colors, heights, theme } = this.prepared(state, summary, grid);
    const shade = { aoq: theme.vermillion, lsq: theme.blue, statsq: theme.purple }[state.quantizer.split("-")[0]];
    drawHistogram(this.histogram, theme, summary, grid, colors, heights);
    drawStairs(this.stairs, theme, summary.view, grid, shade);
    drawShares(this.bars, theme, found.occupancy, colors);
    this.write(summary, grid, found);
    ui.named?.();
  }

  // What does not change while most sliders move: colours of levels, heights of the histogram.
  prepared(state, summary, grid) {
    const { theme, data } = this.ui;
    const shades = `${grid.n} ${theme.dark}`;
    if (this.colors.key !== shades) this.colors = { key: shades, all: levelColors(data.colors, grid.n, theme.dark) };
    const pull = grid.pull ? [grid.pull, grid.cut, grid.n, state.quantizer] : [];
    const key = [state.layer, ...pull].join(" ");
    if (this.heights.key !== key) this.heights = { key, all: heightsOf(summary, grid) };
    return { theme, colors: this.colors.all, heights: this.heights.all };
  }

  // What the sliders count in: σ, unless all weights are equal.
  nameUnit(unit) {
    for (const [name, words] of Object.entries({ th: "thresholds sₜₕ", le: "levels sₗₑ" })) {
      const label = this.ui.controls[name].querySelector("label");
      const text = unit ? `${words}/${unit}` : words;
      if (label && label.textContent !== text) label.textContent = text;
    }
  }

  blank(words) {
    const { ui } = this;
    for (const panel of [this.histogram, this.stairs, this.bars]) {
      const axes = panel.axes({ x: [0, 1], y: [0, 1], xticks: [], yticks: [] });
      axes.text(words, 0.5, 0.5, { align: "center", color: ui.theme.dim, size: 13 });
      panel.describe(words);
    }
    ui.readouts([]);
    ui.note("");
  }

  write(summary, grid, found) {
    const square = summary.unit ** 2;
    const { bound } = found;
    const unit = summary.unitName && ` ${summary.unitName}²`;
    // The bound is told where it could be seen.
    const mark = (limit, value) => {
      if (summary.exact) return "exact";
      const seen = limit > 1e-3 * value && value > 0;
      return `from the summary${seen ? `, at most ${number((100 * limit) / value, 2)}% off` : ""}`;
    };
    const noise = found.mse === 0 ? "no noise" : `${number(found.sqnr)} dB`;
    this.ui.readouts([
      {
        label: "mean squared error",
        value: `${number(found.mse / square)}${unit}`,
        note: mark(bound.mse, found.mse),
      },
      {
        label: "signal to noise (SQNR)",
        value: found.power === 0 ? "no signal" : noise,
        note: mark(bound.mse, found.mse),
      },
      {
        label: "entropy of the levels",
        value: `${number(found.entropy)} of ${grid.bits} bits`,
        note: mark(0, 1),
      },
      {
        label: "weights near a threshold",
        value: percent(found.near),
        note: mark(bound.near, found.near),
      },
      {
        label: "expected crossings",
        value: number(found.crossings),
        note: `per weight and step, ${mark(bound.crossings, found.crossings)}`,
      },
      {
        label: "steps αsₜₕ, αsₗₑ",
        value: `${number(grid.alpha * grid.th)}, ${number(grid.alpha * grid.le)}`,
        note: "in units of w",
      },
    ]);
    this.ui.note(this.words(summary, grid, found));
  }

  words(summary, grid, { mse, bound }) {
    const { ui } = this;
    const { learned } = ui.data.layers[ui.state.layer];
    const said = [keptOf(summary, mse, bound)];
    if (grid.moment) said.push(`Stage ${grid.moment.stage}: ${STAGES[grid.moment.stage]}`);
    if (grid.cut <= ui.data.minStep) said.push(`No step is smaller than this one, ${number(ui.data.minStep, 1)}.`);
    if (ui.state.start === "learned" && learned?.remark) said.push(learned.remark);
    if (!ui.alive()) said.push("Export and further layers need a kernel.");
    return said.join(" ");
  }

  rest(state) {
    const summary = this.summaries[state.layer];
    if (!summary?.size) return;
    const grid = this.grid(state, summary);
    const name = this.ui.specs.quantizer.options.find(([key]) => key === state.quantizer)?.[1];
    const steps = [grid.th, grid.le].map((interval) => number(grid.alpha * interval));
    const words = `${name}, ${grid.bits} bits, thresholds ${steps[0]} and levels ${steps[1]} apart`;
    this.histogram.describe(`${grouped(summary.size)} weights; ${words}`);
    this.stairs.describe(words);
    const shares = [...readoutsOf(summary, grid).occupancy];
    this.bars.describe(shares.slice(0, 16).map(percent).join(", "));
  }

  propose(state) {
    const words = `intervals-${state.layer}-${state.quantizer}-${this.ui.value("bits")}bits`;
    return words.replace(/[^A-Za-z0-9._-]+/g, "-");
  }
}

// How the weights are kept in the summary, and how far off its numbers are at most.
function keptOf(summary, mse, bound) {
  if (summary.exact && summary.size === 1) return "The weight is in the summary with its own value.";
  const size = grouped(summary.size);
  if (summary.exact) return `All ${size} weights are in the summary, each with its own value.`;
  const off = number((100 * bound.mse) / Math.max(mse, 1e-300), 2);
  const misplaced = number(100 * bound.misplaced, 2);
  return `${size} weights, summarised by ${grouped(summary.low.length)} values: squared error at most ${off}% off, occupancy at most ${misplaced}% of the weights.`;
}
