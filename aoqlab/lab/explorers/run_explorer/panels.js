// The pictures of the run explorer over epochs and levels; their axes are the same at every epoch, so that what moves is
// the numbers.

import { percent, ticks } from "../base/numbers.js";

const percentTick = (y) => `${+(100 * y).toPrecision(3)}%`;
const COURSES = {
  intervals: { title: "step size s", none: "no step size is learned here" },
  rate: { title: "thresholds crossed, per weight and 1000 steps", ylabel: "crossings", times: 1000, from0: true },
  oscillating: { title: "oscillating share of weights", ylabel: "share of weights", yformat: percentTick, from0: true },
  accuracy: { title: "accuracy on test images; dotted: full precision", yformat: percentTick, small: true },
  loss: { title: "training loss", small: true },
  volume: { title: "explored share of the log-volume", yformat: percentTick, from0: true, small: true },
};

// Step sizes belong to layers: for the whole network the step size of every layer is drawn.
const linesOf = (run, name, layer, whole) =>
  name === "intervals" && layer === whole
    ? run.layers.filter((l) => l !== whole).map((l) => run.over(name, l))
    : [run.over(name, layer)];

/** @param {Ui} ui */
export function coursePanels(ui) {
  const levels = ui.panel({ title: "share of weights on every level; lines on the bars: at the start", height: 220 });
  const panels = {};
  for (const [name, { title, small }] of Object.entries(COURSES)) {
    panels[name] = ui.panel({ title, height: small ? 150 : 220 });
    panels[name].figure.classList.toggle("small", Boolean(small));
  }
  for (const { figure } of [levels, ...Object.values(panels)]) figure.style.flexBasis = ""; // as in style.css
  let limits = { key: "" };

  function draw(state, some, end) {
    const key = [state.layer, ...some.map((one) => `${one.key} ${one.run.epochs}`)].join();
    if (limits.key !== key) limits = { key, ...limitsOf(some, state.layer, ui.data.whole) };
    drawLevels(ui, levels, limits.levels, state, some);
    for (const name of Object.keys(COURSES)) drawCourse(ui, panels[name], name, limits[name], state, some, end);
    return limits;
  }
  // For screen readers.
  function describe(state, some) {
    const where = `${state.layer}, epoch ${state.epoch}`;
    const say = (format) => some.map(({ run, name }) => `${name} ${format(run)}`).join("; ");
    const shares = (run) => [...run.levels(state.layer, state.epoch)].slice(0, 16).map(percent).join(", ");
    levels.describe(`${where}: ${say(shares)}`);
    for (const [name, { times = 1, yformat = (value) => String(+value.toPrecision(3)) }] of Object.entries(COURSES))
      panels[name].describe(`${where}: ${say((run) => yformat(times * run.value(name, state.layer, state.epoch)))}`);
  }
  return { draw, describe };
}

function limitsOf(some, layer, whole) {
  const found = {};
  for (const [name, { from0 = false, small = false }] of Object.entries(COURSES)) {
    const values = some.flatMap(({ run }) => linesOf(run, name, layer, whole).flatMap((line) => [...line]));
    if (name === "accuracy") values.push(...some.map(({ run }) => run.start ?? NaN));
    found[name] = reach(
      values.filter(Number.isFinite),
      from0,
      small ? 0.3 : 0.12,
      name === "intervals" && layer === whole,
    );
  }
  const most = some.flatMap(({ run }) =>
    Array.from({ length: run.epochs + 1 }, (_, epoch) => Math.max(...run.levels(layer, epoch))),
  );
  const counts = some.filter(({ run }) => run.counts).flatMap(({ run }) => [...run.everCounted(layer)]);
  const transitions = counts.reduce(
    ({ low, high }, count) => ({ low: Math.min(low, count), high: Math.max(high, count) }),
    { low: Infinity, high: 0 },
  );
  return { ...found, levels: [0, 1.05 * Math.max(0, ...most) + 1e-9], transitions };
}
// The ends of an axis, with room for the names of stages above; null where there is nothing to show.
function reach(values, from0, above, log) {
  if (!values.length) return null;
  const low = Math.min(...values),
    high = Math.max(...values);
  if (log) return [0.8 * Math.min(...values.filter((v) => v > 0)), 1.25 * high];
  const size = high - (from0 ? 0 : low) || Math.abs(high) || 1e-3;
  return [from0 ? 0 : low - 0.06 * size, high + above * size];
}

function drawLevels(ui, panel, limits, state, some) {
  const codes = Math.max(2, ...some.map(({ run }) => run.codes));
  const axes = panel.axes({
    x: [-0.6, codes - 0.4],
    y: limits,
    xlabel: "code",
    ylabel: "share of weights",
    xticks: codes <= 16 ? [...Array(codes).keys()] : undefined,
    yformat: percentTick,
  });
  some.forEach(({ run, color, dash }, i) => {
    const now = run.levels(state.layer, state.epoch),
      start = run.levels(state.layer, 0);
    if (codes > 16) {
      const edges = Array.from({ length: run.codes + 1 }, (_, k) => k - 0.5);
      axes.stairs(edges, start, { fill: false, color: ui.theme.dim, width: 0.7 });
      axes.stairs(edges, now, { fill: i === 0 && some.length === 1, color, width: 1.6, dash });
    } else drawBars(axes, now, start, color, i, some.length);
  });
}
// Bars of one run of several next to each other, with a line on each where it was at the start.
function drawBars(axes, now, start, color, i, runs) {
  const wide = 0.8 / runs,
    left = (k) => axes.X(k - 0.4 + i * wide),
    right = (k) => axes.X(k - 0.4 + (i + 1) * wide) - 1;
  axes.within(
    (c) => {
      now.forEach((share, k) => {
        c.rect(left(k), axes.Y(share), right(k) - left(k), axes.Y(0) - axes.Y(share));
      });
      c.fill();
    },
    { color },
  );
  axes.within(
    (c) => {
      start.forEach((share, k) => {
        c.moveTo(left(k), axes.Y(share));
        c.lineTo(right(k), axes.Y(share));
      });
      c.stroke();
    },
    { width: 1.6 },
  );
}

function drawCourse(ui, panel, name, found, state, some, end) {
  const { ylabel = "", times = 1, yformat, none = "nothing was recorded here" } = COURSES[name];
  const whole = name === "intervals" && state.layer === ui.data.whole;
  const x = [0, Math.max(1, end)],
    xticks = ticks(0, x[1], 6).filter(Number.isInteger);
  if (!found) {
    const axes = panel.axes({ x, y: [0, 1], xlabel: "epoch", xticks, yticks: [] });
    axes.text(none, x[1] / 2, 0.5, { align: "center", color: ui.theme.dim, size: 13 });
    return;
  }
  const y = found.map((v) => v * times);
  const axes = panel.axes({ x, y, xlabel: "epoch", ylabel, xticks, yformat, logy: whole });
  drawStages(ui, axes, some.find(({ run }) => run.stages.length)?.run.stages ?? [], y[1]);
  const starts = name === "accuracy" ? some.map(({ run }) => run.start).filter((v) => v !== null) : [];
  axes.hlines([...new Set(starts)], { color: ui.theme.dim, width: 1.2, dash: [2, 3] });
  axes.vlines([state.epoch], { color: ui.theme.fg, width: 1.2 });
  for (const { run, color, dash } of some)
    for (const line of linesOf(run, name, state.layer, ui.data.whole)) {
      const at = Math.min(state.epoch, run.epochs),
        values = line.map((v) => v * times);
      const style = { color, width: whole ? 0.9 : 2, dash, alpha: whole ? 0.7 : 1 };
      axes.line([...line.keys()], values, style);
      if (!whole && Number.isFinite(line[at])) axes.dots([at], [values[at]], { color, size: 4.5 });
    }
}
function drawStages(ui, axes, stages, top) {
  const { dim } = ui.theme;
  axes.vlines(
    stages.slice(1).map(([from]) => from),
    { color: dim, width: 1, dash: [1, 3] },
  );
  for (const [from, to, words] of stages)
    if (axes.X(to) - axes.X(from) > 46) axes.text(words, (from + to) / 2, top, { align: "center", dy: 13, color: dim });
}
