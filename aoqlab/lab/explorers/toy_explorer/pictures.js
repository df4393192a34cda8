// The toy explorer's pictures of runs: their ends, their courses, paths of single weights, and Figure 2.

import { number } from "../base/numbers.js";
import { METHODS, meanOf, NAMES } from "./surface.js";

const LIVE = [5, 3]; // dashes of live runs
const OVERLAP = 1.7; // rows of Figure 2 that the tallest one reaches over

// Limits that hold still while a point moves, wherever the numbers allow that.
function limitsOf(measure, courses, ends) {
  if (measure === "explored_volume" || measure === "oscillating_share") return [0, 1];
  const all = courses.flatMap((one) => (ends ? [one.at(-1)] : [...one]));
  const top = Math.max(...all);
  return measure === "loss" ? [Math.min(...all) / 1.15, top * 1.6] : [0, 1.2 * top || 1];
}

/**
 * The ends of all runs: stored ones, then live ones. groups: courses of AOQ and LSQ, stored and live.
 * @param {Panel} panel
 * @param {Theme} theme
 * @param {{ measure: string, label: string, colors: string[], source: string }} look
 * @param {any[][]} groups
 */
export function drawEnds(panel, theme, { measure, label, colors, source }, groups) {
  const ends = groups.map((group) => group.map((one) => one.at(-1)));
  const live = ends[2].length > 0;
  const axes = panel.axes({
    x: [-0.6, 3.6],
    y: limitsOf(measure, groups.flat(), true),
    logy: measure === "loss",
    xticks: [0, 1, 2, 3],
    xlabel: source,
    xformat: (i) => NAMES[METHODS[i % 2]] + (i > 1 ? " live" : ""),
    ylabel: label,
  });
  axes.vlines([1.5], { color: theme.edge, dash: [3, 3] });
  for (const at of [0, 2])
    ends[at].forEach((value, seed) => {
      axes.line([at, at + 1], [value, ends[at + 1][seed]], { color: theme.dim, width: 0.7, alpha: 0.6 });
    });
  ends.forEach((values, i) => {
    const color = colors[i % 2];
    const places = values.map(() => i);
    axes.dots(places, values, { size: 3.2, ring: i > 1, color, width: 1.6 });
    if (values.length) axes.line([i - 0.22, i + 0.22], Array(2).fill(meanOf(values)), { color, width: 2.4 });
  });
  if (!live) {
    const middle = axes.at(axes.left, (axes.top + axes.bottom) / 2)?.[1] ?? 0;
    axes.text("run live", 2.5, middle, { align: "center", color: theme.dim });
  }
  const words = (i) => `${NAMES[METHODS[i % 2]]}${i > 1 ? " live" : ""} mean ${number(meanOf(ends[i]))}`;
  panel.describe(ends.map((_, i) => words(i)).join("; "));
}

// Courses of all runs with their means; `live` may be null.
export function drawCourses(panel, theme, { measure, label, colors }, stages, stored, live) {
  const all = [...stored.courses, ...(live?.courses ?? [])].flat();
  const axes = panel.axes({
    x: [0, 1],
    y: limitsOf(measure, all, false),
    logy: measure === "loss",
    xlabel: "training (share of all steps)",
    ylabel: label,
  });
  axes.vlines(stages, { color: theme.dim, width: 0.8, dash: [2, 3] });
  for (const { courses, progress, dash } of [stored, ...(live ? [{ ...live, dash: LIVE }] : [])])
    courses.forEach((runs, i) => {
      const mean = Float64Array.from(progress, (_, t) => meanOf(runs.map((one) => one[t])));
      for (const one of runs) axes.line(progress, one, { color: colors[i], width: 0.7, alpha: 0.4, dash });
      axes.line(progress, mean, { color: colors[i], width: 2.2, dash });
    });
  /** @type {LegendEntry[]} */
  const entries = METHODS.map((method, i) => [NAMES[method], colors[i]]);
  if (live) for (const [i, method] of METHODS.entries()) entries.push([`${NAMES[method]}, live`, colors[i], LIVE]);
  axes.legend(entries, "right");
  panel.caption.textContent = "bold: means; dotted: AOQ's stages";
}

// Paths of single weights in the colours of their levels, and the thresholds.
export function drawPaths(panel, theme, shades, run, method) {
  const { weights, codes, thresholds } = run[method];
  const xs = run.progress;
  const reach = 1.05 * Math.max(...weights.flatMap((one) => [...one]).map(Math.abs));
  const axes = panel.axes({
    x: [0, 1],
    y: [-reach, reach],
    xlabel: "share of training; dashed: thresholds",
    ylabel: "weight w",
  });
  shades.forEach((color, level) => {
    const drawn = (c) => {
      weights.forEach((one, w) => {
        for (let t = 1; t < xs.length; t++)
          if (codes[w][t - 1] === level) {
            c.moveTo(axes.X(xs[t - 1]), axes.Y(one[t - 1]));
            c.lineTo(axes.X(xs[t]), axes.Y(one[t]));
          }
      });
      c.stroke();
    };
    axes.within(drawn, { color, width: 1.3 });
  });
  for (const cut of thresholds) axes.line(xs, cut, { color: theme.fg, width: 1, dash: [4, 3] });
  panel.describe(`${weights.length} weights of ${run.words}`);
}

// Figure 2: rows of one scale, the lowest level in front; a row may reach into those above.
export function drawOrigins(panel, theme, shades, run, method, levels, edges) {
  const { figure2, ends } = run[method];
  const xs = [...edges].flatMap((x) => [x, x]).slice(1, -1);
  const tallest = Math.max(1, ...METHODS.flatMap((name) => run[name].figure2.flatMap((row) => [...row])));
  const axes = panel.axes({
    x: [edges[0], edges.at(-1) + 1.6],
    y: [-0.1, levels.length - 0.9 + OVERLAP],
    xlabel: "pre-trained weight",
    ylabel: "final position k",
    xticks: [-4, -2, 0, 2, 4],
    yticks: levels.map((_, i) => i),
    yformat: (i) => number(levels[i], 1),
  });
  for (let i = levels.length - 1; i >= 0; i--) {
    const tops = [...figure2[i]].flatMap((count) => Array(2).fill(i + (OVERLAP * count) / tallest));
    const floor = xs.map(() => i);
    axes.area(xs, floor, tops, { color: shades[i], alpha: 0.85 });
    axes.line(xs, tops, { color: theme.bg, width: 1 });
    axes.hlines([i], { color: shades[i], width: 1 });
    axes.text(`n = ${ends[i]}`, axes.x1, i, { align: "right", dx: -4, dy: -4 });
  }
  panel.describe(levels.map((level, i) => `${ends[i]} weights end at ${level}`).join("; "));
}
