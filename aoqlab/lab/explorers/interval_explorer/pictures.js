// The three pictures of the interval explorer: weights by level, the quantizer as a staircase, and its levels' shares.

import { mix } from "../base/colors.js";
import { after, Pulled } from "./weight_summary.js";

const BINS = 200;
export const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

// Colours of n levels, as in exported figures; on a dark page without the darkest ones.
export function levelColors(scale, n, dark) {
  const from = dark ? 0.18 : 0;
  return Array.from({ length: n }, (_, i) => mix(scale, n > 1 ? from + ((1 - from) * i) / (n - 1) : 0.5));
}

// Weights in each of BINS equal bins of the view, pulled as far as the grid says.
export function heightsOf(summary, grid) {
  const { view } = summary;
  const width = (2 * view) / BINS;
  const pulled = new Pulled(summary, grid.thresholds, grid.centres, grid.pull);
  const heights = new Float64Array(BINS);
  for (let i = 0, before = pulled.number(-view); i < BINS; i++) {
    const end = pulled.number(-view + (i + 1) * width);
    heights[i] = end - before;
    before = end;
  }
  return heights;
}

export function drawHistogram(panel, theme, summary, grid, colors, heights) {
  const { view } = summary;
  const top = 1.16 * Math.max(1, ...heights);
  const axes = panel.axes({ x: [-view, view], y: [0, top], xlabel: "weight w", ylabel: "weights per bin" });
  axes.within((c) => fillByLevel(c, axes, view, grid.thresholds, colors, heights), { alpha: 0.85 });
  const pixels = (axes.right - axes.left) / (2 * view);
  const apart = pixels * grid.cut;
  if (apart > 6) axes.vlines(grid.thresholds, { color: theme.dim, width: 1, dash: [4, 3] });
  else if (apart > 1.5) axes.vlines(grid.thresholds, { color: theme.dim, width: 0.5, dash: [4, 3], alpha: 0.6 });
  const gap = pixels * (grid.levels[1] - grid.levels[0]);
  axes.markers(
    grid.levels.filter((level) => Math.abs(level) <= view),
    colors.filter((_, i) => Math.abs(grid.levels[i]) <= view),
    gap > 14 ? 5 : gap > 5 ? 3 : 1.5,
  );
  const outside = summary.size - (summary.below(after(view))[0] - summary.below(-view)[0]);
  const style = { align: "right", dx: -6, dy: 30, color: theme.dim };
  if (outside > 0.5) axes.text(`${grouped(Math.round(outside))} weights are outside of this view`, view, top, style);
}

// Bars in the colours of their levels; a bar that a threshold divides has the colours of both.
function fillByLevel(c, axes, view, thresholds, colors, heights) {
  const floor = axes.Y(0);
  const width = (2 * view) / BINS;
  let code = 0;
  while (code < thresholds.length && thresholds[code] <= -view) code++;
  for (let i = 0; i < BINS; i++) {
    const y = axes.Y(heights[i]);
    const end = -view + (i + 1) * width;
    for (let from = end - width; from < end; ) {
      const to = code < thresholds.length && thresholds[code] < end ? thresholds[code] : end;
      c.fillStyle = colors[code];
      if (y < floor) c.fillRect(axes.X(from), y, axes.X(to) - axes.X(from) + 0.4, floor - y);
      if (to < end || thresholds[code] === end) while (code < thresholds.length && thresholds[code] <= to) code++;
      from = to;
    }
  }
}

export function drawStairs(panel, theme, view, grid, color) {
  const axes = panel.axes({ x: [-view, view], y: [-view, view], xlabel: "weight w", ylabel: "quantized weight ŵ" });
  const { thresholds, levels, n, clips } = grid;
  if (n <= 32) axes.hlines(levels, { color, width: 0.7, dash: [1, 3] });
  const ends = clips ? [levels[0], levels[n - 1]] : [-view, view];
  const flat = clips ? [[-view, ends[0]], [ends[1], view]] : []; // biome-ignore format: two pairs on one line
  for (const [from, to] of flat)
    if (to > from) axes.area([from, to], [-view, -view], [view, view], { color: theme.dim, alpha: 0.15 });
  const xs = [-view];
  const ys = [levels[0]];
  for (let i = 0; i < thresholds.length; i++) {
    xs.push(thresholds[i], thresholds[i]);
    ys.push(levels[i], levels[i + 1]);
  }
  axes.line([...xs, view], [...ys, levels[n - 1]], { color, width: 2 });
  const bends = [-view, ...(clips ? ends : []), view].filter((x) => Math.abs(x) <= view);
  const ramp = bends.map((x) => Math.min(Math.max(x, ends[0]), ends[1]));
  axes.line(bends, ramp, { color: theme.fg, dash: [5, 3] });
  axes.legend([
    ["quantizer", color],
    [clips ? "gradient 1, in grey 0" : "gradient 1 everywhere", theme.fg, [5, 3]],
  ]);
}

export function drawShares(panel, theme, shares, colors) {
  const n = shares.length;
  // Room for the words above the line, which no bar covers there.
  const top = 1.18 * Math.max(1 / n, ...shares);
  const axes = panel.axes({
    x: [-0.7, n - 0.3],
    y: [0, top],
    xlabel: "code",
    ylabel: "share of weights",
    xticks: n <= 8 ? [...Array(n).keys()] : undefined,
    yformat: (y) => `${+(100 * y).toPrecision(3)}%`,
  });
  const half = n > 32 ? 0.5 : 0.42;
  axes.within((c) => {
    for (let i = 0; i < n; i++) {
      const left = axes.X(i - half);
      c.fillStyle = colors[i];
      c.fillRect(left, axes.Y(shares[i]), axes.X(i + half) - left, axes.Y(0) - axes.Y(shares[i]));
    }
  });
  axes.hlines([1 / n], { color: theme.fg, dash: [5, 3] });
  axes.legend([["all levels alike", theme.fg, [5, 3]]], "right", -10);
}
