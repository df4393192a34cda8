// The toy explorer: what the runs of a point on the surfaces did, and runs made live.

import { floats } from "../base/arrays.js";
import { mix } from "../base/colors.js";
import { make, sentenceOf } from "../base/elements.js";
import { number } from "../base/numbers.js";
import { drawCourses, drawEnds, drawOrigins, drawPaths } from "./pictures.js";
import { Courses, METHODS, meanOf, NAMES, SETTINGS, SYMBOLS, surfacesOf } from "./surface.js";
import { liveRuns, storedWeights } from "./weights.js";

/** @param {Ui} ui */
export const explore = (ui) => new Toy(ui);

const endsOf = (courses) => courses.map((one) => one.at(-1));
const rangeOf = (values) => `${number(Math.min(...values))} to ${number(Math.max(...values))}, n = ${values.length}`;
const placeOf = (state) => ["lr", "shrink_min", "step_init"].map((name) => state[name]).join();
const perMethod = (make) => Object.fromEntries(METHODS.map((method) => [method, make(method)]));

/** @implements {View} */
class Toy {
  /** @param {Ui} ui */
  constructor(ui) {
    this.ui = ui;
    const { data } = ui;
    this.measures = Object.fromEntries(ui.specs.measure.options);
    const courses = (method, bytes) =>
      new Courses(floats(bytes), data.rates.length, data.settings[method].length, data.seeds.length);
    this.stored = perMethod((method) =>
      Object.fromEntries(Object.entries(data.courses[method]).map(([name, bytes]) => [name, courses(method, bytes)])),
    );
    this.progress = floats(data.progress);
    this.edges = floats(data.edges);
    // Pairs of panels, AOQ next to LSQ, stay together.
    const pair = () => perMethod((method) => ui.panel({ title: NAMES[method], height: 240 }));
    this.maps = pair();
    this.ends = ui.panel({ title: "at the end; lines join runs of a seed", height: 240 });
    this.course = ui.panel({ title: "over the training", height: 240 });
    this.paths = pair();
    this.origins = pair();
    ui.el.classList.add("toy");
    this.drawSurfaces = surfacesOf(ui, this.stored, this.maps, this.measures);
    this.weights = data.samples && storedWeights(data.samples, data, this.edges.length - 1);
    /** @type {any} */
    this.shown = { key: "" };
    this.live = this.read(data.ensemble);
    this.running = false;
    this.took = "";
    this.button = make("button", { type: "button", textContent: "Run live" });
    ui.controls.follow.parentNode?.append(make("div", { className: "control buttons" }, this.button));
    this.button.addEventListener("click", () => this.runLive());
    for (const method of METHODS) this.maps[method].onpoint((x, y) => this.choose(method, x, y));
  }

  read(answer) {
    return liveRuns(answer, Object.keys(this.measures), this.ui.data.liveRun, this.edges.length - 1);
  }

  // The point of a surface that was clicked.
  choose(method, x, y) {
    const { settings, rates } = this.ui.data;
    const inside = (at, n) => Math.min(Math.max(Math.floor(at), 0), n - 1);
    this.ui.set({ [SETTINGS[method]]: inside(x, settings[method].length), lr: inside(y, rates.length) });
  }

  liveAt(state) {
    return this.live.at === placeOf(state) ? this.live : null;
  }

  // Single weights: of the live run where it was asked for, otherwise of the stored one.
  weightsAt(state) {
    const live = this.liveAt(state);
    if (!this.weights || (live && state.live?.join() === placeOf(state))) return live;
    if (this.shown.key !== placeOf(state)) this.shown = { ...this.weights(state), key: placeOf(state) };
    return this.shown;
  }

  async runLive() {
    if (this.running) return;
    const { ui } = this;
    this.#run(true);
    try {
      do {
        const since = performance.now();
        const answer = await ui.ask("live");
        this.live = this.read(answer);
        ui.state.live = answer.at;
        this.took = `, in ${((performance.now() - since) / 1000).toFixed(2)} s`;
      } while (ui.state.follow && !this.liveAt(ui.state)); // the point was moved on meanwhile
      ui.say("");
    } catch (error) {
      ui.say(sentenceOf(error));
    }
    this.#run(false);
    ui.redraw();
  }

  #run(on) {
    this.running = on;
    this.button.disabled = on;
    this.button.textContent = on ? "running …" : "Run live";
  }

  color(method) {
    return method === "lsq" ? this.ui.theme.blue : this.ui.data.colors[method];
  }

  draw(state) {
    const { ui, stored } = this;
    const { data, theme } = ui;
    const { measure } = state;
    const live = this.liveAt(state);
    this.drawSurfaces(state);
    const own = METHODS.map((method) => stored[method][measure].at(state.lr, state[SETTINGS[method]]));
    const lives = live && METHODS.map((method) => live[method][measure]);
    const colors = METHODS.map((method) => this.color(method));
    const look = { measure, label: this.measures[measure], colors, source: data.liveSource };
    drawEnds(this.ends, theme, look, [...own, ...(lives ?? [[], []])]);
    const courses = { courses: own, progress: this.progress, dash: [] };
    drawCourses(this.course, theme, look, data.stages, courses, live && { courses: lives, progress: live.progress });
    this.drawWeights(state);
    this.write(state, live);
    ui.named?.();
  }

  drawWeights(state) {
    const { data, specs, theme } = this.ui;
    const run = this.weightsAt(state);
    const from = theme.dark ? 0.3 : 0;
    const shades = data.levels.map((_, i) => mix(data.levelColors, from + ((1 - from) * i) / (data.levels.length - 1)));
    // Without the size of the problem, which the note has: a title of two lines would push panels of a row apart.
    const brief = (run?.words ?? data.liveRun).split(", ").slice(0, 2).join(", ");
    for (const method of METHODS) {
      const name = SETTINGS[method];
      const words = `${NAMES[method]} ${brief}, ${SYMBOLS[method]} ${specs[name].shown[state[name]]}`;
      const [path, origin] = [this.paths[method], this.origins[method]];
      path.caption.textContent = words;
      origin.caption.textContent = `Figure 2, ${words}`;
      if (run) {
        drawPaths(path, theme, shades, run, method);
        drawOrigins(origin, theme, shades, run, method, data.levels, this.edges);
      } else for (const panel of [path, origin]) this.blank(panel);
    }
  }

  blank(panel) {
    const { ui } = this;
    const axes = panel.axes({ x: [0, 1], y: [0, 1], xticks: [], yticks: [] });
    const idle = ui.alive() ? "Run live shows this setting" : "this setting needs a kernel";
    const style = { align: "center", color: ui.theme.dim, size: 13 };
    axes.text(this.running ? "running …" : idle, 0.5, 0.5, style);
    panel.describe("not run yet");
  }

  write(state, live) {
    const { data } = this.ui;
    const [aoq, lsq] = METHODS.map((method) => this.stored[method].loss.ends(state.lr, state[SETTINGS[method]]));
    const gaps = aoq.map((value, seed) => value - lsq[seed]);
    const lower = gaps.filter((gap) => gap < 0).length;
    const rows = [
      { label: "loss of AOQ, stored, mean", value: number(meanOf(aoq)), note: rangeOf(aoq) },
      { label: "loss of LSQ, stored, mean", value: number(meanOf(lsq)), note: rangeOf(lsq) },
      { label: "AOQ − LSQ, same seeds", value: number(meanOf(gaps)), note: `AOQ lower in ${lower} of ${gaps.length}` },
    ];
    for (const method of live ? METHODS : []) {
      const ends = endsOf(live[method].loss);
      rows.push({ label: `loss of ${NAMES[method]}, live, mean`, value: number(meanOf(ends)), note: rangeOf(ends) });
    }
    this.ui.readouts(rows);
    const source = `${data.liveSource[0].toUpperCase()}${data.liveSource.slice(1)}${live ? this.took : ""}`;
    const why = "a smaller problem, so that it takes less than a second; its numbers compare among themselves only.";
    this.ui.note(`Stored: ${data.source}. ${source}: ${why}`);
  }

  changed(name, state) {
    if (name === "follow" && state.follow && !this.liveAt(state)) this.runLive();
  }

  rest(state) {
    if (state.follow && this.ui.alive() && !this.liveAt(state)) return this.runLive();
  }

  propose(state) {
    const { lr } = this.ui.specs;
    return `toy-lr-${lr.shown[state.lr]}-shrink-${this.ui.value("shrink_min")}-step-${this.ui.value("step_init")}`;
  }
}
