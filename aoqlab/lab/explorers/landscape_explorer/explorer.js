// The landscape explorer: the picture of the walks that walks.js makes. See landscape.py.

import { doubles, integers } from "../base/arrays.js";
import { mix } from "../base/colors.js";
import { make } from "../base/elements.js";
import { number, ticks } from "../base/numbers.js";
import { accountOf, basinOf, hullOf, valueAt, walk } from "./walks.js";

const METHODS = ["conventional", "oscillating"];
const NAMES = { conventional: "LSQ (conventional)", oscillating: "AOQ (oscillating)" };

const BASINS = { deep: "deep basin", shallow: "shallow basin", other: "in neither basin" };

export function explore(ui) {
  const { data, specs } = ui,
    { problem, steps } = data,
    side = problem.spacing * problem.reach + 0.25;
  const land = ui.panel({ title: "click a start; rings: visited, in their hull; ★: now", height: 440 });
  Object.assign(land.figure.style, { flex: "1 1 400px", maxWidth: "530px" }); // no wider than its height can use
  const column = make("div"); // beside the square, two panels fill its height
  Object.assign(column.style, { flex: "1 1 300px", minWidth: "min(100%, 280px)" });
  land.figure.parentNode.append(column);
  const course = ui.panel({ title: "f at the grid point; click a step", height: 190 });
  const growth = ui.panel({ title: "area of the hull", height: 200 });
  column.append(course.figure, growth.figure);
  const conventional = doubles(data.conventional),
    oscillating = doubles(data.oscillating),
    length = 3 * (steps + 1);
  const terrain = { canvas: document.createElement("canvas"), dark: null };
  let walked = null,
    exact = null;

  const keyOf = (state) => ["w1", "w2", "shrink_min", "lr"].map((name) => state[name]).join(" ");
  const colorOf = (method) => (method === "conventional" ? ui.theme.blue : data.colors[method]);

  function walksOf(state) {
    const key = keyOf(state);
    if (exact?.key === key) return exact;
    if (walked?.key === key) return walked;
    const start = [ui.value("w1"), ui.value("w2")],
      lr = ui.value("lr"),
      at = state.shrink_min * length;
    walked = account(key, {
      conventional: walk(problem, conventional, lr, start),
      oscillating: walk(problem, oscillating.subarray(at, at + length), lr, start),
    });
    return walked;
  }
  function account(key, walks) {
    for (const method of METHODS) Object.assign(walks[method], accountOf(problem, walks[method]));
    return Object.assign(walks, { key });
  }

  // Bands of equal f, drawn once per theme.
  function terrainOf() {
    if (terrain.dark === ui.theme.dark) return terrain.canvas;
    const n = 320,
      { canvas } = terrain,
      c = ((canvas.width = canvas.height = n), canvas.getContext("2d"));
    const heights = Float64Array.from({ length: n * n }, (_, i) =>
      valueAt(problem, side * ((2 * (i % n)) / (n - 1) - 1), side * (1 - (2 * Math.floor(i / n)) / (n - 1))),
    );
    const low = heights.reduce((a, b) => Math.min(a, b)),
      high = heights.reduce((a, b) => Math.max(a, b));
    const shades = ui.theme.dark ? ["#0b0b0b", "#2c2c2c", "#525252"] : ["#8f8f8f", "#c9c9c9", "#fafafa"];
    const shade = (height) => mix(shades, Math.floor((18 * (height - low)) / (high - low)) / 18);
    const image = c.createImageData(n, n);
    heights.forEach((height, i) => image.data.set([...shade(height).match(/\d+/g), 255], 4 * i));
    c.putImageData(image, 0, 0);
    Object.assign(terrain, { dark: ui.theme.dark, scale: { low, high, shade, label: "f" } });
    return canvas;
  }

  const pixels = (axes, points) => points.map(([a, b]) => [axes.X(problem.spacing * a), axes.Y(problem.spacing * b)]);

  function drawLand(state, walks, step) {
    const axes = land.axes({ x: [-side, side], y: [-side, side], xlabel: "w₁", ylabel: "w₂", square: true, bar: true });
    axes.within((c) => c.drawImage(terrainOf(), axes.left, axes.top, axes.right - axes.left, axes.bottom - axes.top));
    axes.colorbar(terrain.scale);
    METHODS.forEach((method, order) => {
      const seen = pixels(axes, walks[method].seen.slice(0, walks[method].count[step])),
        pad = 7 + 2 * order;
      const around = seen.flatMap(([x, y]) =>
        Array.from({ length: 24 }, (_, i) => [
          x + pad * Math.cos((i * Math.PI) / 12),
          y + pad * Math.sin((i * Math.PI) / 12),
        ]),
      );
      const outline = (c) => {
        hullOf(around).forEach(([x, y]) => c.lineTo(x, y));
        c.closePath();
      };
      axes.within(
        (c) => {
          outline(c);
          c.fill();
        },
        { color: colorOf(method), alpha: 0.2 },
      );
      axes.within(
        (c) => {
          outline(c);
          c.stroke();
        },
        { color: colorOf(method), width: 1.6, dash: order ? [] : [5, 3] },
      );
    });
    const ticks = Array.from({ length: 2 * problem.reach + 1 }, (_, i) => problem.spacing * (i - problem.reach));
    axes.dots(
      ticks.flatMap(() => ticks),
      ticks.flatMap((y) => ticks.map(() => y)),
      { size: 1.8, color: ui.theme.fg },
    );
    METHODS.forEach((method, order) => {
      const own = walks[method],
        color = colorOf(method),
        { spacing } = problem;
      const seen = own.seen.slice(0, own.count[step]);
      axes.dots(
        seen.map(([a]) => spacing * a),
        seen.map(([, b]) => spacing * b),
        { size: 4 + 2.4 * order, ring: true, color, width: 1.6 },
      );
      const xs = [],
        ys = [];
      for (let t = 0; t <= step; t++) {
        xs.push(state.trace === "latent" ? own.weights[2 * t] : spacing * own.positions[2 * t]);
        ys.push(state.trace === "latent" ? own.weights[2 * t + 1] : spacing * own.positions[2 * t + 1]);
      }
      axes.line(xs, ys, { color, width: 1.1, alpha: 0.9 });
    });
    METHODS.forEach((method, order) => {
      const { positions } = walks[method],
        { spacing } = problem;
      star(axes, spacing * positions[2 * step], spacing * positions[2 * step + 1], 10 - 2.5 * order, colorOf(method));
    });
    axes.dots([ui.value("w1")], [ui.value("w2")], { size: 5, color: "#ffffff" });
    axes.dots([ui.value("w1")], [ui.value("w2")], { size: 5, ring: true, color: "#000000", width: 1.4 });
    const words = METHODS.map((method) => `${NAMES[method]}: ${placeOf(walks[method], step)}`).join("; ");
    land.describe(`start ${specs.w1.shown[state.w1]}, ${specs.w2.shown[state.w2]}; step ${step}; ${words}`);
  }

  function star(axes, x, y, size, color) {
    axes.within(
      (c) => {
        for (let i = 0; i < 10; i++) {
          const r = i % 2 ? 0.42 * size : size,
            angle = (i * Math.PI) / 5 - Math.PI / 2;
          c.lineTo(axes.X(x) + r * Math.cos(angle), axes.Y(y) + r * Math.sin(angle));
        }
        c.closePath();
        c.fill();
        c.strokeStyle = "#ffffff";
        c.lineWidth = 1;
        c.stroke();
      },
      { color },
    );
  }

  const placeOf = ({ positions }, step) =>
    BASINS[basinOf(problem, problem.spacing * positions[2 * step], problem.spacing * positions[2 * step + 1])];

  function drawCourse(panel, walks, step, name, ylabel, upper) {
    const all = METHODS.flatMap((method) => [...walks[method][name]]),
      low = Math.min(...all),
      high = Math.max(...all);
    const room = 0.06 * (high - low || 1),
      steady = Array.from({ length: steps + 1 }, (_, t) => t);
    const axes = panel.axes({
      x: [0, steps],
      y: [low - room, high + 4 * room],
      xlabel: upper ? "" : "training step",
      ylabel,
    });
    for (const [from, to, words] of data.stages) {
      if (from > 0) axes.vlines([from], { color: ui.theme.dim, width: 0.8, dash: [2, 3] });
      if (upper) axes.text(words, (from + to) / 2, axes.y1, { align: "center", dy: 12, color: ui.theme.dim });
    }
    METHODS.forEach((method, order) => {
      const style = { color: colorOf(method), width: 1 + 0.6 * !order };
      axes.line(steady, walks[method][name], { ...style, alpha: 0.3 });
      axes.line(steady.slice(0, step + 1), walks[method][name], { ...style, width: style.width + 0.5 });
    });
    axes.vlines([step], { color: ui.theme.fg, width: 1 });
    if (!upper) axes.legend(METHODS.map((method) => [NAMES[method], colorOf(method)]));
    panel.describe(METHODS.map((method) => `${NAMES[method]}: ${number(walks[method][name][step])}`).join("; "));
  }

  function draw(state) {
    const walks = walksOf(state),
      step = ui.value("step");
    specs.step.play = 1000 / Number(state.speed);
    drawLand(state, walks, step);
    drawCourse(course, walks, step, "value", "f", true);
    drawCourse(growth, walks, step, "area", "units of w²", false);
    ui.readouts(
      METHODS.flatMap((method) => {
        const { positions, value, area, crossings, count } = walks[method],
          { spacing, reach } = problem;
        const place = [0, 1].map((i) => number(spacing * positions[2 * step + i], 2)).join(", ");
        return [
          {
            label: `${NAMES[method]}: now`,
            value: placeOf(walks[method], step),
            note: `f = ${number(value[step])} at (${place})`,
          },
          {
            label: `${NAMES[method]}: seen`,
            value: `${count[step]} of ${(2 * reach + 1) ** 2} points`,
            note: `hull ${number(area[step])} w², ${crossings[step]} crossings`,
          },
        ];
      }),
    );
    ui.note(walks === exact ? "Walks by aoqlab.toy.landscape." : "Walks by the same steps in this page.");
    ui.named?.();
  }

  // Play at its present speed, from the state's step.
  function play() {
    const button = ui.controls.step.querySelector("button");
    if (button.textContent.includes("Pause")) button.click();
    if (!button.hidden) button.click();
  }
  const nearest = (name, x) =>
    specs[name].values.reduce((best, v, i, all) => (Math.abs(v - x) < Math.abs(all[best] - x) ? i : best), 0);
  land.onpoint((x, y) => {
    const still = ui.controls.step.querySelector("button").hidden;
    ui.set({ w1: nearest("w1", x), w2: nearest("w2", y), step: still ? ui.state.step : 0 });
    if (!still) play();
  });
  for (const panel of [course, growth]) panel.onpoint((x) => ui.set({ step: nearest("step", x) }));

  return {
    draw,
    changed(name) {
      if (name !== "speed") return;
      specs.step.play = 1000 / Number(ui.state.speed);
      if (ui.controls.step.querySelector("button").textContent.includes("Pause")) play();
    },
    async rest(state) {
      const key = keyOf(state);
      if (!ui.alive() || exact?.key === key) return;
      const answer = await ui.ask("walk");
      const read = (method) => ({
        weights: doubles(answer[`${method}_weights`]),
        positions: integers(answer[`${method}_positions`]),
      });
      exact = account(key, { conventional: read("conventional"), oscillating: read("oscillating") });
      ui.redraw();
    },
    propose: (state) => `landscape-shrink-${specs.shrink_min.shown[state.shrink_min]}-lr-${specs.lr.shown[state.lr]}`,
  };
}
