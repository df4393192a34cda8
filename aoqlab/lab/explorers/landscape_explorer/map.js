// The map of the landscape: bands of equal f, the grid points, both walks with their hulls, starts and ends.

import { mix } from "../base/colors.js";
import { make } from "../base/elements.js";
import { hullOf, valueAt } from "./walks.js";

const SIZE = 480; // pixels of the terrain's picture
const AROUND = 1.6; // how far it reaches beyond the grid, where walks may go
const BANDS = 18;

const sideOf = ({ spacing, reach }) => spacing * reach + 0.25;

// Bands of equal f as a picture, and its scale of colours, which is that of the grid's part.
export function terrainOf(problem, dark) {
  const side = AROUND * sideOf(problem);
  const canvas = make("canvas", { width: SIZE, height: SIZE });
  const c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const place = (i) => side * ((2 * i) / (SIZE - 1) - 1);
  const heights = Float64Array.from({ length: SIZE * SIZE }, (_, i) =>
    valueAt(problem, place(i % SIZE), -place(Math.floor(i / SIZE))),
  );
  const inside = heights.filter((_, i) =>
    [i % SIZE, Math.floor(i / SIZE)].every((k) => Math.abs(place(k)) <= side / AROUND),
  );
  const low = inside.reduce((a, b) => Math.min(a, b));
  const high = inside.reduce((a, b) => Math.max(a, b));
  const shades = dark ? ["#0b0b0b", "#2c2c2c", "#525252"] : ["#8f8f8f", "#c9c9c9", "#fafafa"];
  const shade = (height) => mix(shades, Math.floor((BANDS * (height - low)) / (high - low)) / BANDS);
  const image = c.createImageData(SIZE, SIZE);
  heights.forEach((height, i) => {
    image.data.set([...(shade(height).match(/\d+/g) ?? []).map(Number), 255], 4 * i);
  });
  c.putImageData(image, 0, 0);
  return { canvas, scale: { low, high, shade, label: "f" } };
}

/**
 * walks: what walk and accountOf return, each with its `color` and the grid point where it is `now`.
 * @param {Panel} panel
 * @param {Theme} theme
 * @param {any} problem
 * @param {{ canvas: HTMLCanvasElement, scale: Scale }} terrain
 * @param {any[]} walks
 * @param {{ start: number[], step: number, latent: boolean }} options
 */
export function drawMap(panel, theme, problem, { canvas, scale }, walks, { start, step, latent }) {
  const { spacing } = problem;
  const view = viewOf(problem, walks, latent);
  const axes = panel.axes({ x: view, y: view, xlabel: "w₁", ylabel: "w₂", square: true, bar: true });
  const side = AROUND * sideOf(problem);
  axes.within((c) => {
    c.drawImage(canvas, axes.X(-side), axes.Y(side), axes.X(side) - axes.X(-side), axes.Y(-side) - axes.Y(side));
  });
  axes.colorbar(scale);
  walks.forEach((walked, order) => {
    drawHull(axes, spacing, walked.seen.slice(0, walked.count[step]), walked.color, order);
  });
  drawGrid(axes, problem, theme.fg);
  walks.forEach(({ seen, count, color, weights, positions }, order) => {
    const visited = seen.slice(0, count[step]);
    const xs = visited.map(([a]) => spacing * a);
    const ys = visited.map(([, b]) => spacing * b);
    axes.dots(xs, ys, { size: 4 + 2.4 * order, ring: true, color, width: 1.6 });
    const at = (t, i) => (latent ? weights[2 * t + i] : spacing * positions[2 * t + i]);
    const steps = Array.from({ length: step + 1 }, (_, t) => t);
    const path = [0, 1].map((i) => steps.map((t) => at(t, i)));
    axes.line(path[0], path[1], { color, width: 1.1, alpha: 0.9 });
  });
  walks.forEach(({ now, color }, order) => {
    star(axes, now, 10 - 2.5 * order, color);
  });
  axes.dots([start[0]], [start[1]], { size: 5, color: "#ffffff" });
  axes.dots([start[0]], [start[1]], { size: 5, ring: true, color: "#000000", width: 1.4 });
}

// The whole grid, and as far as the walks go beyond it; the same at every step of a walk.
function viewOf(problem, walks, latent) {
  const reach = latent ? walks.flatMap(({ weights }) => [...weights]).reduce((a, w) => Math.max(a, Math.abs(w)), 0) : 0;
  const side = Math.min(Math.max(sideOf(problem), 1.05 * reach), AROUND * sideOf(problem));
  return [-side, side];
}

// The hull of what a walk has visited, a little around it so that both can be seen.
function drawHull(axes, spacing, visited, color, order) {
  const pad = 7 + 2 * order;
  const corners = Array.from({ length: 24 }, (_, i) => (i * Math.PI) / 12);
  const around = visited.flatMap(([a, b]) =>
    corners.map((angle) => [axes.X(spacing * a) + pad * Math.cos(angle), axes.Y(spacing * b) + pad * Math.sin(angle)]),
  );
  const outline = (c) => {
    for (const [x, y] of hullOf(around)) c.lineTo(x, y);
    c.closePath();
  };
  const filled = (c) => {
    outline(c);
    c.fill();
  };
  const drawn = (c) => {
    outline(c);
    c.stroke();
  };
  axes.within(filled, { color, alpha: 0.2 });
  axes.within(drawn, { color, width: 1.6, dash: order ? [] : [5, 3] });
}

function drawGrid(axes, { spacing, reach }, color) {
  const places = Array.from({ length: 2 * reach + 1 }, (_, i) => spacing * (i - reach));
  const xs = places.flatMap(() => places);
  const ys = places.flatMap((y) => places.map(() => y));
  axes.dots(xs, ys, { size: 1.8, color });
}

function star(axes, [x, y], size, color) {
  const drawn = (c) => {
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 0.42 * size : size;
      const angle = (i * Math.PI) / 5 - Math.PI / 2;
      c.lineTo(axes.X(x) + r * Math.cos(angle), axes.Y(y) + r * Math.sin(angle));
    }
    c.closePath();
    c.fill();
    c.strokeStyle = "#ffffff";
    c.lineWidth = 1;
    c.stroke();
  };
  axes.within(drawn, { color });
}
