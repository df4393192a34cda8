// The toy explorer: what the runs of a point on the surfaces did, and runs made live. See toy.py.

import { bytesOf, floats } from "../base/arrays.js";
import { mix } from "../base/colors.js";
import { make } from "../base/elements.js";
import { number } from "../base/numbers.js";
import { Courses, METHODS, meanOf, NAMES, SETTINGS, SYMBOLS, surfacesOf } from "./surface.js";

// Pairs of panels, AOQ beside LSQ, stay together.
export function explore(ui) {
  const { data, specs } = ui,
    measures = Object.fromEntries(specs.measure.options),
    levels = data.levels;
  const stored = Object.fromEntries(
    METHODS.map((method) => [
      method,
      Object.fromEntries(
        Object.entries(data.courses[method]).map(([name, bytes]) => [
          name,
          new Courses(floats(bytes), data.rates.length, data.settings[method].length, data.seeds.length),
        ]),
      ),
    ]),
  );
  const progress = floats(data.progress);
  const maps = Object.fromEntries(METHODS.map((method) => [method, ui.panel({ title: NAMES[method], height: 240 })]));
  const drawSurfaces = surfacesOf(ui, stored, maps, measures);
  const strip = ui.panel({ title: "at the end; lines join runs of a seed", height: 240 });
  const course = ui.panel({ title: "over the training", height: 240 });
  const paths = Object.fromEntries(METHODS.map((method) => [method, ui.panel({ title: NAMES[method], height: 240 })]));
  const origins = Object.fromEntries(
    METHODS.map((method) => [method, ui.panel({ title: NAMES[method], height: 240 })]),
  );
  ui.el.classList.add("toy");
  const edges = floats(data.edges),
    samples = data.samples && readSamples(data.samples);
  let ensemble = readEnsemble(data.ensemble),
    running = false,
    took = "";

  const button = make("button", { type: "button", textContent: "Run live" });
  ui.controls.follow.parentNode.append(make("div", { className: "control buttons" }, button));
  button.addEventListener("click", runLive);

  function readEnsemble(answer) {
    const read = { at: answer.at.join(), progress: floats(answer.progress), words: data.liveRun },
      records = read.progress.length;
    for (const method of METHODS) {
      const part = (name) => answer[`${method}_${name}`],
        own = (read[method] = sampleOf(typed(part), 0, 1, records));
      for (const name of Object.keys(measures)) {
        const values = floats(part(name));
        own[name] = new Courses(values, 1, 1, values.length / records).at(0, 0);
      }
    }
    return read;
  }

  // Arrays about single weights, of one run or of many one after the other.
  function typed(part) {
    const counts = (name) => new Uint32Array(bytesOf(part(name)).buffer);
    return {
      figure2: counts("figure2"),
      ends: counts("ends"),
      weights: floats(part("weights")),
      codes: bytesOf(part("codes")),
      thresholds: floats(part("thresholds")),
    };
  }
  // Of run i of n: a row per level, followed weight or threshold.
  function sampleOf(arrays, i, n, records) {
    const own = (values) => values.subarray((i * values.length) / n, ((i + 1) * values.length) / n);
    const rows = (name, width) => {
      const all = own(arrays[name]);
      return Array.from({ length: all.length / width }, (_, k) => all.subarray(k * width, (k + 1) * width));
    };
    return {
      figure2: rows("figure2", edges.length - 1),
      ends: own(arrays.ends),
      weights: rows("weights", records),
      codes: rows("codes", records),
      thresholds: rows("thresholds", records),
    };
  }
  function readSamples(sent) {
    const progress = floats(sent.progress),
      all = Object.fromEntries(METHODS.map((method) => [method, typed((name) => sent[method][name])]));
    return (state) =>
      Object.fromEntries([
        ["progress", progress],
        ["words", sent.source],
        ...METHODS.map((method) => {
          const settings = data.settings[method].length,
            i = state.lr * settings + state[SETTINGS[method]];
          return [method, sampleOf(all[method], i, settings * data.rates.length, progress.length)];
        }),
      ]);
  }

  const atOf = (state) => ["lr", "shrink_min", "step_init"].map((name) => state[name]).join();
  const liveAt = (state) => (ensemble.at === atOf(state) ? ensemble : null);
  // Single weights: of the live run where it was asked for, else of the stored one.
  let shown = { key: "" };
  function shownAt(state) {
    const live = liveAt(state);
    if (!samples || (live && state.live?.join() === atOf(state))) return live;
    if (shown.key !== atOf(state)) shown = { ...samples(state), key: atOf(state) };
    return shown;
  }

  // Without the size of the problem, which the note has: a title of two lines would push panels of a row apart.
  const brief = (run) => (run?.words ?? data.liveRun).split(", ").slice(0, 2).join(", ");

  async function runLive() {
    if (running) return;
    running = button.disabled = true;
    button.textContent = "running …";
    try {
      do {
        const since = performance.now();
        const answer = await ui.ask("live");
        ensemble = readEnsemble(answer);
        ui.state.live = answer.at;
        took = `, in ${((performance.now() - since) / 1000).toFixed(2)} s`;
      } while (ui.state.follow && !liveAt(ui.state)); // the point was moved on meanwhile
      ui.say("");
    } catch (error) {
      ui.say(error.message);
    }
    running = button.disabled = false;
    button.textContent = "Run live";
    ui.redraw();
  }

  const colorOf = (method) => (method === "lsq" ? ui.theme.blue : data.colors[method]);
  const levelColor = (i) => {
    const from = ui.theme.dark ? 0.3 : 0;
    return mix(data.levelColors, from + ((1 - from) * i) / (levels.length - 1));
  };

  // Limits that hold still while a point moves, wherever the numbers allow that.
  function limitsOf(measure, courses, ends) {
    if (measure === "explored_volume" || measure === "oscillating_share") return [0, 1];
    const all = courses.flatMap((one) => (ends ? [one.at(-1)] : [...one])),
      top = Math.max(...all);
    return measure === "loss" ? [Math.min(...all) / 1.15, top * 1.6] : [0, 1.2 * top || 1];
  }

  function drawStrip(state, live) {
    const { measure } = state,
      runs = METHODS.map((method) => stored[method][measure].at(state.lr, state[SETTINGS[method]]));
    const lives = live ? METHODS.map((method) => live[method][measure]) : [[], []];
    const groups = [...runs, ...lives].map((group) => group.map((one) => one.at(-1))),
      log = measure === "loss";
    const axes = strip.axes({
      x: [-0.6, 3.6],
      y: limitsOf(measure, [...runs, ...lives].flat(), true),
      logy: log,
      xticks: [0, 1, 2, 3],
      xlabel: data.liveSource,
      xformat: (i) => NAMES[METHODS[i % 2]] + (i > 1 ? " live" : ""),
      ylabel: measures[measure],
    });
    axes.vlines([1.5], { color: ui.theme.edge, dash: [3, 3] });
    for (const at of [0, 2])
      groups[at].forEach((value, seed) =>
        axes.line([at, at + 1], [value, groups[at + 1][seed]], { color: ui.theme.dim, width: 0.7, alpha: 0.6 }),
      );
    groups.forEach((values, i) => {
      const color = colorOf(METHODS[i % 2]);
      axes.dots(
        values.map(() => i),
        values,
        { size: 3.2, ring: i > 1, color, width: 1.6 },
      );
      if (values.length) axes.line([i - 0.22, i + 0.22], Array(2).fill(meanOf(values)), { color, width: 2.4 });
    });
    if (!live)
      axes.text("run live", 2.5, axes.at(axes.left, (axes.top + axes.bottom) / 2)[1], {
        align: "center",
        color: ui.theme.dim,
      });
    strip.describe(
      groups
        .map((values, i) => `${NAMES[METHODS[i % 2]]}${i > 1 ? " live" : ""} mean ${number(meanOf(values))}`)
        .join("; "),
    );
  }

  function drawCourse(state, live) {
    const { measure } = state,
      own = METHODS.map((method) => stored[method][measure].at(state.lr, state[SETTINGS[method]]));
    const lives = live ? METHODS.map((method) => live[method][measure]) : [];
    const axes = course.axes({
      x: [0, 1],
      y: limitsOf(measure, [...own, ...lives].flat(), false),
      logy: measure === "loss",
      xlabel: "training (share of all steps)",
      ylabel: measures[measure],
    });
    axes.vlines(data.stages, { color: ui.theme.dim, width: 0.8, dash: [2, 3] });
    const draws = [
      [own, progress, []],
      [lives, live?.progress, [5, 3]],
    ];
    for (const [group, xs, dash] of draws)
      group.forEach((courses, i) => {
        const color = colorOf(METHODS[i]),
          middle = Float64Array.from(xs, (_, t) => meanOf(courses.map((one) => one[t])));
        for (const one of courses) axes.line(xs, one, { color, width: 0.7, alpha: 0.4, dash });
        axes.line(xs, middle, { color, width: 2.2, dash });
      });
    const entries = METHODS.map((method) => [NAMES[method], colorOf(method)]);
    axes.legend(
      live ? [...entries, ...METHODS.map((method) => [`${NAMES[method]}, live`, colorOf(method), [5, 3]])] : entries,
      "right",
    );
    course.caption.textContent = "bold: means; dotted: AOQ's stages";
  }

  function blank(panel) {
    const axes = panel.axes({ x: [0, 1], y: [0, 1], xticks: [], yticks: [] });
    axes.text(
      running ? "running …" : ui.alive() ? "Run live shows this setting" : "this setting needs a kernel",
      0.5,
      0.5,
      { align: "center", color: ui.theme.dim, size: 13 },
    );
    panel.describe("not run yet");
  }

  const settingText = (method, state) => `${SYMBOLS[method]} ${specs[SETTINGS[method]].shown[state[SETTINGS[method]]]}`;

  function drawPaths(method, state, run) {
    const panel = paths[method];
    panel.caption.textContent = `${NAMES[method]} ${brief(run)}, ${settingText(method, state)}; dashed: thresholds`;
    if (!run) return blank(panel);
    const { weights, codes, thresholds } = run[method],
      xs = run.progress,
      reach = 1.05 * Math.max(...weights.flatMap((one) => [...one]).map(Math.abs));
    const axes = panel.axes({
      x: [0, 1],
      y: [-reach, reach],
      xlabel: "training (share of all steps)",
      ylabel: "weight w",
    });
    levels.forEach((_, level) =>
      axes.within(
        (c) => {
          weights.forEach((one, w) => {
            for (let t = 1; t < xs.length; t++)
              if (codes[w][t - 1] === level) {
                c.moveTo(axes.X(xs[t - 1]), axes.Y(one[t - 1]));
                c.lineTo(axes.X(xs[t]), axes.Y(one[t]));
              }
          });
          c.stroke();
        },
        { color: levelColor(level), width: 1.3 },
      ),
    );
    for (const cut of thresholds) axes.line(xs, cut, { color: ui.theme.fg, width: 1, dash: [4, 3] });
    panel.describe(`${weights.length} weights of ${run.words}`);
  }

  // Rows of one scale, the lowest level in front; a row may reach into those above.
  function drawOrigins(method, state, run) {
    const panel = origins[method];
    panel.caption.textContent = `Figure 2, ${NAMES[method]} ${brief(run)}, ${settingText(method, state)}`;
    if (!run) return blank(panel);
    const { figure2, ends } = run[method],
      overlap = 1.7,
      xs = [...edges].flatMap((x) => [x, x]).slice(1, -1);
    const tallest = Math.max(1, ...METHODS.flatMap((name) => run[name].figure2.flatMap((row) => [...row])));
    const axes = panel.axes({
      x: [edges[0], edges.at(-1) + 1.6],
      y: [-0.1, levels.length - 0.9 + overlap],
      xlabel: "pre-trained weight",
      ylabel: "final position k",
      xticks: [-4, -2, 0, 2, 4],
      yticks: levels.map((_, i) => i),
      yformat: (i) => number(levels[i], 1),
    });
    for (let i = levels.length - 1; i >= 0; i--) {
      const tops = [...figure2[i]].flatMap((count) => Array(2).fill(i + (overlap * count) / tallest));
      axes.area(
        xs,
        xs.map(() => i),
        tops,
        { color: levelColor(i), alpha: 0.85 },
      );
      axes.line(xs, tops, { color: ui.theme.bg, width: 1 });
      axes.hlines([i], { color: levelColor(i), width: 1 });
      axes.text(`n = ${ends[i]}`, axes.x1, i, { align: "right", dx: -4, dy: -4 });
    }
    panel.describe(levels.map((level, i) => `${ends[i]} weights end at ${level}`).join("; "));
  }

  function draw(state) {
    const live = liveAt(state),
      run = shownAt(state);
    drawSurfaces(state);
    drawStrip(state, live);
    drawCourse(state, live);
    for (const method of METHODS) drawPaths(method, state, run);
    for (const method of METHODS) drawOrigins(method, state, run);
    write(state, live);
    ui.named?.();
  }

  function write(state, live) {
    const [aoq, lsq] = METHODS.map((method) => stored[method].loss.ends(state.lr, state[SETTINGS[method]]));
    const range = (values) => `${number(Math.min(...values))} to ${number(Math.max(...values))}, n = ${values.length}`;
    const gaps = aoq.map((value, seed) => value - lsq[seed]),
      ends = (method) => live[method].loss.map((one) => one.at(-1));
    const rows = [
      { label: "loss of AOQ, stored, mean", value: number(meanOf(aoq)), note: range(aoq) },
      { label: "loss of LSQ, stored, mean", value: number(meanOf(lsq)), note: range(lsq) },
      {
        label: "AOQ − LSQ, same seeds",
        value: number(meanOf(gaps)),
        note: `AOQ lower in ${gaps.filter((gap) => gap < 0).length} of ${gaps.length}`,
      },
    ];
    if (live)
      for (const method of METHODS)
        rows.push({
          label: `loss of ${NAMES[method]}, live, mean`,
          value: number(meanOf(ends(method))),
          note: range(ends(method)),
        });
    ui.readouts(rows);
    ui.note(
      `Stored: ${data.source}. ${data.liveSource[0].toUpperCase()}${data.liveSource.slice(1)}${live ? took : ""}: a smaller problem, so that it takes less than a second; its numbers compare among themselves only.`,
    );
  }

  for (const method of METHODS)
    maps[method].onpoint((x, y) => {
      const inside = (at, n) => Math.min(Math.max(Math.floor(at), 0), n - 1);
      ui.set({ [SETTINGS[method]]: inside(x, data.settings[method].length), lr: inside(y, data.rates.length) });
    });

  return {
    draw,
    changed(name, state) {
      if (name === "follow" && state.follow && !liveAt(state)) runLive();
    },
    rest(state) {
      if (state.follow && ui.alive() && !liveAt(state)) return runLive();
    },
    propose: (state) =>
      `toy-lr-${specs.lr.shown[state.lr]}-shrink-${ui.value("shrink_min")}-step-${ui.value("step_init")}`,
  };
}
