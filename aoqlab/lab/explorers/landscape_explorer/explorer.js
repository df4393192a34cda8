// The landscape explorer: the walks that walks.js makes, on the map of the function, and their course.

import { doubles, integers } from "../base/arrays.js";
import { make } from "../base/elements.js";
import { number } from "../base/numbers.js";
import { drawMap, terrainOf } from "./map.js";
import { accountOf, basinOf, walk } from "./walks.js";

const METHODS = ["conventional", "oscillating"];
const NAMES = { conventional: "LSQ (conventional)", oscillating: "AOQ (oscillating)" };
const BASINS = { deep: "deep basin", shallow: "shallow basin", other: "in neither basin" };

/** @param {Ui} ui */
export const explore = (ui) => new Landscape(ui);

/** @implements {View} */
class Landscape {
  /** @param {Ui} ui */
  constructor(ui) {
    this.ui = ui;
    const { data } = ui;
    this.map = ui.panel({ title: "click a start; rings: visited, in their hull; ★: now", height: 440 });
    Object.assign(this.map.figure.style, { flex: "1 1 400px", maxWidth: "530px" }); // no wider than its height can use
    const column = make("div"); // next to the square, two panels fill its height
    Object.assign(column.style, { flex: "1 1 300px", minWidth: "min(100%, 280px)" });
    this.map.figure.parentNode?.append(column);
    this.course = ui.panel({ title: "f at the grid point; click a step", height: 190 });
    this.growth = ui.panel({ title: "area of the hull", height: 200 });
    column.append(this.course.figure, this.growth.figure);
    this.factors = { conventional: doubles(data.conventional), oscillating: doubles(data.oscillating) };
    this.terrain = { dark: ui.theme.dark, ...terrainOf(data.problem, ui.theme.dark) };
    /** @type {any} */
    this.walked = null; // by this page
    /** @type {any} */
    this.exact = null; // by the kernel
    this.map.onpoint((x, y) => this.start(x, y));
    for (const panel of [this.course, this.growth]) panel.onpoint((x) => ui.set({ step: this.nearest("step", x) }));
  }

  key(state) {
    return ["w1", "w2", "shrink_min", "lr"].map((name) => state[name]).join(" ");
  }

  walks(state) {
    const key = this.key(state);
    const { ui, factors } = this;
    if (this.exact?.key === key) return this.exact;
    if (this.walked?.key === key) return this.walked;
    const { problem, steps } = ui.data;
    const start = [ui.value("w1"), ui.value("w2")];
    const length = 3 * (steps + 1);
    const own = factors.oscillating.subarray(state.shrink_min * length, (state.shrink_min + 1) * length);
    this.walked = this.account(key, {
      conventional: walk(problem, factors.conventional, ui.value("lr"), start),
      oscillating: walk(problem, own, ui.value("lr"), start),
    });
    return this.walked;
  }

  account(key, walks) {
    for (const method of METHODS) Object.assign(walks[method], accountOf(this.ui.data.problem, walks[method]));
    return Object.assign(walks, { key });
  }

  color(method) {
    return method === "conventional" ? this.ui.theme.blue : this.ui.data.colors[method];
  }

  // Grid point of a method at a step, in units of w.
  point({ positions }, step) {
    const { spacing } = this.ui.data.problem;
    return [spacing * positions[2 * step], spacing * positions[2 * step + 1]];
  }

  place(walked, step) {
    const [x, y] = this.point(walked, step);
    return BASINS[basinOf(this.ui.data.problem, x, y)];
  }

  draw(state) {
    const { ui } = this;
    const walks = this.walks(state);
    const step = ui.value("step");
    ui.specs.step.play = 1000 / Number(state.speed);
    if (this.terrain.dark !== ui.theme.dark)
      this.terrain = { dark: ui.theme.dark, ...terrainOf(ui.data.problem, ui.theme.dark) };
    const drawn = METHODS.map((method) => ({
      ...walks[method],
      color: this.color(method),
      now: this.point(walks[method], step),
    }));
    const start = [ui.value("w1"), ui.value("w2")];
    drawMap(this.map, ui.theme, ui.data.problem, this.terrain, drawn, {
      start,
      step,
      latent: state.trace === "latent",
    });
    const words = METHODS.map((method) => `${NAMES[method]}: ${this.place(walks[method], step)}`).join("; ");
    const { w1, w2 } = ui.specs;
    this.map.describe(`start ${w1.shown[state.w1]}, ${w2.shown[state.w2]}; step ${step}; ${words}`);
    this.drawCourse(this.course, walks, step, "value", "f", true);
    this.drawCourse(this.growth, walks, step, "area", "units of w²", false);
    this.write(walks, step);
    ui.note(walks === this.exact ? "Walks by aoqlab.lab.toy.landscape." : "Walks by the same steps in this page.");
    ui.named?.();
  }

  // A quantity of both walks over all steps, bold up to the present one.
  drawCourse(panel, walks, step, name, ylabel, upper) {
    const { theme, data } = this.ui;
    const all = METHODS.flatMap((method) => [...walks[method][name]]);
    const low = Math.min(...all);
    const high = Math.max(...all);
    const room = 0.06 * (high - low || 1);
    const steps = Array.from({ length: data.steps + 1 }, (_, t) => t);
    const xlabel = upper ? "" : "training step";
    const axes = panel.axes({ x: [0, data.steps], y: [low - room, high + 4 * room], xlabel, ylabel });
    for (const [from, to, words] of data.stages) {
      if (from > 0) axes.vlines([from], { color: theme.dim, width: 0.8, dash: [2, 3] });
      if (upper) axes.text(words, (from + to) / 2, axes.y1, { align: "center", dy: 12, color: theme.dim });
    }
    for (const method of METHODS) {
      const width = method === "conventional" ? 1.6 : 1;
      axes.line(steps, walks[method][name], { color: this.color(method), width, alpha: 0.3 });
      const passed = steps.slice(0, step + 1);
      axes.line(passed, walks[method][name], { color: this.color(method), width: width + 0.5 });
    }
    axes.vlines([step], { color: theme.fg, width: 1 });
    if (!upper) axes.legend(METHODS.map((method) => [NAMES[method], this.color(method)]));
    panel.describe(METHODS.map((method) => `${NAMES[method]}: ${number(walks[method][name][step])}`).join("; "));
  }

  write(walks, step) {
    const points = (2 * this.ui.data.problem.reach + 1) ** 2;
    this.ui.readouts(
      METHODS.flatMap((method) => {
        const { value, area, crossings, count } = walks[method];
        const [x, y] = this.point(walks[method], step).map((w) => number(w, 2));
        return [
          {
            label: `${NAMES[method]}: now`,
            value: this.place(walks[method], step),
            note: `f = ${number(value[step])} at (${x}, ${y})`,
          },
          {
            label: `${NAMES[method]}: seen`,
            value: `${count[step]} of ${points} points`,
            note: `hull ${number(area[step])} w², ${crossings[step]} crossings`,
          },
        ];
      }),
    );
  }

  playButton() {
    return /** @type {HTMLButtonElement} */ (this.ui.controls.step.querySelector("button"));
  }

  // Plays at its present speed, from the state's step.
  play() {
    const button = this.playButton();
    if (button.textContent?.includes("Pause")) button.click();
    if (!button.hidden) button.click();
  }

  nearest(name, x) {
    const { values } = this.ui.specs[name];
    return values.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(values[best] - x) ? i : best), 0);
  }

  // A new start; both walk from there, where motion is not to be reduced.
  start(x, y) {
    const still = this.playButton().hidden;
    const step = still ? this.ui.state.step : 0;
    this.ui.set({ w1: this.nearest("w1", x), w2: this.nearest("w2", y), step });
    if (!still) this.play();
  }

  changed(name, state) {
    if (name !== "speed") return;
    this.ui.specs.step.play = 1000 / Number(state.speed);
    if (this.playButton().textContent?.includes("Pause")) this.play();
  }

  async rest(state) {
    const key = this.key(state);
    if (!this.ui.alive() || this.exact?.key === key) return;
    const answer = await this.ui.ask("walk");
    const read = (method) => ({
      weights: doubles(answer[`${method}_weights`]),
      positions: integers(answer[`${method}_positions`]),
    });
    this.exact = this.account(key, { conventional: read("conventional"), oscillating: read("oscillating") });
    this.ui.redraw();
  }

  propose(state) {
    const { shrink_min, lr } = this.ui.specs;
    return `landscape-shrink-${shrink_min.shown[state.shrink_min]}-lr-${lr.shown[state.lr]}`;
  }
}
