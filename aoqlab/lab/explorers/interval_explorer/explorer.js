// The interval explorer: histogram with thresholds and levels, staircase, level occupancy, readouts; all from summaries.

import { mix } from "../base/colors.js";
import { number, percent } from "../base/numbers.js";
import { after, bestLevel, Pulled, readoutsOf, unpacked } from "./weight_summary.js";

const sizeText = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

export function explore(ui) {
  const { data, specs } = ui,
    summaries = {},
    loading = {},
    failed = new Map();
  const histogram = ui.panel({ title: "weights by level; thresholds dashed, levels ▼", height: 250, grow: 1.3 });
  const stairs = ui.panel({ title: "quantizer; dashed: for its gradient", height: 250 });
  const bars = ui.panel({ title: "share of the weights on every level", height: 250 });
  const cache = { n: 0, colors: [], dark: null, key: "", heights: null };
  let exact = null,
    stamp = 0,
    words = "";

  // A level's colour, as in the exported figures; on a dark page without the darkest ones.
  function colorsOf(n) {
    if (cache.n !== n || cache.dark !== ui.theme.dark) {
      const from = ui.theme.dark ? 0.18 : 0;
      cache.colors = Array.from({ length: n }, (_, i) =>
        mix(data.colors, n > 1 ? from + ((1 - from) * i) / (n - 1) : 0.5),
      );
      Object.assign(cache, { n, dark: ui.theme.dark });
    }
    return cache.colors;
  }

  async function load(layer) {
    if (summaries[layer] || loading[layer] || failed.has(layer)) return;
    loading[layer] = true;
    let sentence = "";
    try {
      const message = data.summaries[layer] ?? (await ui.ask("layer", { layer }));
      const { unit, unitName, view, starts } = message;
      summaries[layer] = message.size
        ? Object.assign(await unpacked(message), { unit, unitName, view, starts })
        : message;
      sentence = summaries[layer].sentence = message.sentence ?? "";
    } catch (error) {
      failed.set(layer, ui.alive()); // asking at every frame would never end
      sentence = `Layer ${layer}: ${error.message}`;
    }
    delete loading[layer];
    if (ui.state.layer === layer) ui.say(sentence);
    ui.redraw();
  }

  // s_th and s_le before shrinking, in units of the weights: from the sliders, or kept beside them.
  function intervals(state, summary) {
    const own = data.quantizers[state.quantizer],
      learned = data.layers[state.layer].learned;
    const pair = (th, le) => [th, own.decoupled ? le : th];
    if (own.slides && state.start === "learned" && learned)
      return pair(learned.threshold_interval * learned.shrink, learned.level_interval * learned.shrink);
    if (!own.slides || state.start !== "free") return Array(2).fill(summary.starts[state.quantizer][state.bits]);
    const th = ui.value("th") * summary.unit;
    return pair(th, state.locked ? th : ui.value("le") * summary.unit);
  }

  function gridOf(state, summary) {
    const own = data.quantizers[state.quantizer],
      bits = ui.value("bits"),
      n = 2 ** bits;
    const moment = own.decoupled ? ui.value("moment") : null;
    const alpha = !own.decoupled ? 1 : moment ? moment.shrink : ui.value("alpha");
    let [th, le] = intervals(state, summary);
    const step = (interval) => Math.max(Math.fround(Math.fround(alpha) * Math.fround(interval)), data.minStep);
    const at = (s, offset, from, count) =>
      Float64Array.from({ length: count }, (_, i) => Math.fround(s * (i + from + offset)));
    const cut = step(th),
      low = -n / 2;
    const thresholds = at(cut, own.thresholdOffset, low + 1, n - 1),
      centres = at(cut, own.levelOffset, low, n);
    const pull = moment?.pull ?? 0;
    if (moment?.learned)
      le = (1 - moment.learned) * le + moment.learned * bestLevel(summary, thresholds, centres, pull, cut, alpha);
    return {
      n,
      bits,
      alpha,
      th,
      le,
      cut,
      pull,
      moment,
      own,
      thresholds,
      centres,
      levels: at(step(le), own.levelOffset, low, n),
    };
  }

  // Trained intervals belong to the trained quantizer alone; a file may not say all about it.
  const fits = (state, learned) =>
    learned?.kinds.includes(state.quantizer) && [null, specs.bits.values[state.bits]].includes(learned.bits);
  function takeOver(state, { kinds, bits }) {
    if (!kinds.includes(state.quantizer)) state.quantizer = kinds[0];
    if (bits !== null) state.bits = specs.bits.values.indexOf(bits);
  }

  // Sliders stand at the stops nearest to what holds, and what cannot be moved is switched off with the reason.
  function settle(state) {
    if (state.start === "learned" && !fits(state, data.layers[state.layer].learned)) state.start = "own";
    const own = data.quantizers[state.quantizer],
      summary = summaries[state.layer];
    if (summary?.size) {
      const [th, le] = intervals(state, summary);
      if (state.start !== "free" || !own.slides)
        Object.assign(state, { th: nearest("th", th / summary.unit), le: nearest("le", le / summary.unit) });
      else if (!own.decoupled || state.locked) state.le = state.th;
    }
    const statistic = "StatsQ takes its step from the weights",
      single = "LSQ has a single step";
    ui.enable("th", own.slides, statistic);
    ui.enable("start", own.slides, statistic);
    const moment = own.decoupled ? ui.value("moment") : null;
    if (moment) state.alpha = nearest("alpha", moment.shrink);
    const learn = moment?.learned > 0;
    const why = learn ? "In this stage the levels learn" : own.slides ? single : statistic;
    for (const name of ["le", "locked"]) ui.enable(name, own.decoupled && !learn, why);
    for (const name of ["alpha", "moment"])
      ui.enable(name, own.decoupled, "Only AOQ shrinks its intervals and trains in stages");
  }
  function nearest(name, ratio) {
    const { values } = specs[name],
      distance = (v) => Math.abs(Math.log(Math.max(v, 1e-9) / Math.max(ratio, 1e-9)));
    return values.reduce((best, v, i) => (distance(v) < distance(values[best]) ? i : best), 0);
  }

  function changed(name, state) {
    if (name === "th" || name === "le") {
      state.start = "free";
      if (state.locked) state.th = state.le = state[name];
    }
    if (name === "locked" && state.locked) {
      state.le = state.th;
      if (state.start === "learned") state.start = "free";
    }
    if (name === "alpha") state.moment = 0;
    if (name === "moment" && !state.moment) state.alpha = specs.alpha.values.length - 1; // training has not begun
    const { learned } = data.layers[state.layer];
    if ((name === "start" || name === "layer") && state.start === "learned" && learned) takeOver(state, learned);
    if (name === "start" && state.start === "learned" && !learned)
      ui.say(`No finite intervals were trained with ${state.layer}.`);
    else if (name === "layer") {
      failed.delete(state.layer);
      ui.say(summaries[state.layer]?.sentence ?? "");
      load(state.layer);
    }
    if (name === "start" && state.start !== "free") state.locked = false;
    settle(state);
  }

  function draw(state) {
    // What could not come is asked for again when a kernel has come back, or the layer is chosen again.
    if (failed.has(state.layer)) {
      if (!ui.alive()) failed.set(state.layer, false);
      else if (!failed.get(state.layer)) failed.delete(state.layer);
    }
    // Python or another view may have changed the state, too.
    const before = JSON.stringify(state);
    settle(state);
    if (before !== JSON.stringify(state)) ui.show();
    exact = exact?.key === JSON.stringify(state) ? exact : null;
    const summary = summaries[state.layer];
    if (!summary) load(state.layer);
    if (!summary?.size) {
      blank(summary ? "no finite weights" : loading[state.layer] ? "loading …" : "not here");
      return;
    }
    const grid = gridOf(state, summary),
      colors = colorsOf(grid.n),
      view = summary.view;
    const near = ui.value("near") * grid.cut,
      move = ui.value("move") * summary.unit;
    const found = readoutsOf(summary, grid, { pull: grid.pull, near, move });
    nameUnit(summary.unitName);
    const counted = (value) => `${value} ${summary.unitName}`.trim();
    ui.beside("th", counted(number(grid.th / summary.unit)));
    ui.beside("le", counted(number(grid.le / summary.unit)));
    ui.beside("move", counted(ui.value("move")));
    ui.beside("alpha", grid.alpha.toFixed(2));
    drawHistogram(state, summary, grid, colors, view);
    drawStairs(grid, colors, view);
    drawBars(grid, exact?.occupancy ?? found.occupancy, colors);
    write(summary, grid, found);
    ui.named?.();
  }

  // What the sliders count in: σ, unless all weights are equal.
  function nameUnit(unit) {
    for (const [name, words] of [
      ["th", "thresholds s_th"],
      ["le", "levels s_le"],
    ]) {
      const label = ui.controls[name].querySelector("label"),
        text = unit ? `${words}/${unit}` : words;
      if (label.textContent !== text) label.textContent = text;
    }
  }

  function blank(words) {
    for (const panel of [histogram, stairs, bars]) {
      const axes = panel.axes({ x: [0, 1], y: [0, 1], xticks: [], yticks: [] });
      axes.text(words, 0.5, 0.5, { align: "center", color: ui.theme.dim, size: 13 });
      panel.describe(words);
    }
    ui.readouts([]);
    ui.note("");
  }

  function drawHistogram(state, summary, grid, colors, view) {
    const m = 200,
      width = (2 * view) / m,
      key = [state.layer, ...(grid.pull ? [grid.pull, grid.cut, grid.n, state.quantizer] : [])].join(" ");
    if (cache.key !== key) {
      const pulled = new Pulled(summary, grid.thresholds, grid.centres, grid.pull),
        heights = new Float64Array(m);
      for (let i = 0, before = pulled.number(-view); i < m; i++) {
        const end = pulled.number(-view + (i + 1) * width);
        heights[i] = end - before;
        before = end;
      }
      Object.assign(cache, { key, heights, top: Math.max(1, ...heights) });
    }
    const axes = histogram.axes({
      x: [-view, view],
      y: [0, 1.16 * cache.top],
      xlabel: "weight w",
      ylabel: "weights per bin",
    });
    axes.within(
      (c) => {
        const y0 = axes.Y(0),
          { thresholds } = grid;
        let code = 0;
        while (code < thresholds.length && thresholds[code] <= -view) code++;
        for (let i = 0; i < m; i++) {
          const y = axes.Y(cache.heights[i]),
            end = -view + (i + 1) * width;
          for (let from = end - width; from < end; ) {
            const to = code < thresholds.length && thresholds[code] < end ? thresholds[code] : end;
            c.fillStyle = colors[code];
            if (y < y0) c.fillRect(axes.X(from), y, axes.X(to) - axes.X(from) + 0.4, y0 - y);
            if (to < end || thresholds[code] === end) while (code < thresholds.length && thresholds[code] <= to) code++;
            from = to;
          }
        }
      },
      { alpha: 0.85 },
    );
    const apart = ((axes.right - axes.left) * grid.cut) / (2 * view);
    if (apart > 1.5)
      axes.vlines(grid.thresholds, {
        color: ui.theme.dim,
        width: apart > 6 ? 1 : 0.5,
        dash: [4, 3],
        alpha: apart > 6 ? 1 : 0.6,
      });
    const gap = ((axes.right - axes.left) * (grid.levels[1] - grid.levels[0])) / (2 * view);
    axes.markers(
      grid.levels.filter((l) => Math.abs(l) <= view),
      colors.filter((_, i) => Math.abs(grid.levels[i]) <= view),
      gap > 14 ? 5 : gap > 5 ? 3 : 1.5,
    );
    const outside = summary.size - (summary.below(after(view))[0] - summary.below(-view)[0]);
    if (outside > 0.5)
      axes.text(`${sizeText(Math.round(outside))} weights lie outside of this view`, view, 1.16 * cache.top, {
        align: "right",
        dx: -6,
        dy: 30,
        color: ui.theme.dim,
      });
  }

  function drawStairs(grid, colors, view) {
    const axes = stairs.axes({ x: [-view, view], y: [-view, view], xlabel: "weight w", ylabel: "quantized weight ŵ" });
    const { thresholds, levels, n } = grid,
      color = { aoq: ui.theme.vermillion, lsq: ui.theme.blue, statsq: ui.theme.purple }[
        ui.state.quantizer.split("-")[0]
      ];
    if (n <= 32) axes.hlines(levels, { color, width: 0.7, dash: [1, 3] });
    const ends = grid.own.clips ? [levels[0], levels[n - 1]] : [-view, view],
      clip = (x) => Math.min(Math.max(x, ends[0]), ends[1]);
    if (grid.own.clips)
      for (const [from, to] of [
        [-view, levels[0]],
        [levels[n - 1], view],
      ])
        if (to > from) axes.area([from, to], [-view, -view], [view, view], { color: ui.theme.dim, alpha: 0.15 });
    const xs = [-view],
      ys = [levels[0]];
    for (let i = 0; i < thresholds.length; i++) {
      xs.push(thresholds[i], thresholds[i]);
      ys.push(levels[i], levels[i + 1]);
    }
    axes.line([...xs, view], [...ys, levels[n - 1]], { color, width: 2 });
    const bends = [-view, ...(grid.own.clips ? ends : []), view].filter((x) => Math.abs(x) <= view);
    axes.line(bends, bends.map(clip), { color: ui.theme.fg, dash: [5, 3] });
    axes.legend([
      ["quantizer", color],
      [grid.own.clips ? "gradient 1, in grey 0" : "gradient 1 everywhere", ui.theme.fg, [5, 3]],
    ]);
  }

  function drawBars(grid, shares, colors) {
    const { n } = grid,
      top = 1.1 * Math.max(1 / n, ...shares);
    const axes = bars.axes({
      x: [-0.7, n - 0.3],
      y: [0, top],
      xlabel: "code",
      ylabel: "share of weights",
      xticks: n <= 8 ? [...Array(n).keys()] : undefined,
      yformat: percentTick,
    });
    const half = n > 32 ? 0.5 : 0.42;
    axes.within((c) => {
      for (let i = 0; i < n; i++) {
        c.fillStyle = colors[i];
        c.fillRect(
          axes.X(i - half),
          axes.Y(shares[i]),
          axes.X(i + half) - axes.X(i - half),
          axes.Y(0) - axes.Y(shares[i]),
        );
      }
    });
    axes.hlines([1 / n], { color: ui.theme.fg, dash: [5, 3] });
    axes.text("all alike", n - 0.3, 1 / n, { align: "right", dx: -5, dy: -5, color: ui.theme.dim });
  }
  const percentTick = (y) => `${+(100 * y).toPrecision(3)}%`;

  function write(summary, grid, found) {
    const square = summary.unit ** 2,
      now = exact ?? found,
      { bound } = found,
      unit = summary.unitName && ` ${summary.unitName}²`;
    // The bound is said where it could be seen.
    const mark = (limit, value) =>
      exact
        ? "exact"
        : limit > 1e-3 * value && value > 0
          ? `from the summary, at most ${number((100 * limit) / value, 2)}% off`
          : "from the summary";
    const plain = mark(0, 1);
    ui.readouts([
      { label: "mean squared error", value: `${number(now.mse / square)}${unit}`, note: mark(bound.mse, found.mse) },
      {
        label: "signal to noise (SQNR)",
        value: now.power === 0 ? "no signal" : now.mse === 0 ? "no noise" : `${number(now.sqnr)} dB`,
        note: mark(bound.mse, found.mse),
      },
      { label: "entropy of the levels", value: `${number(now.entropy)} of ${grid.bits} bits`, note: plain },
      { label: "weights near a threshold", value: percent(now.near), note: mark(bound.near, found.near) },
      {
        label: "expected crossings",
        value: number(now.crossings),
        note: `per weight and step, ${mark(bound.crossings, found.crossings)}`,
      },
      {
        label: "steps αs_th, αs_le",
        value: `${number(grid.alpha * grid.th)}, ${number(grid.alpha * grid.le)}`,
        note: "in units of w",
      },
    ]);
    const size = sizeText(summary.size);
    const kept = summary.exact
      ? summary.size === 1
        ? "The weight is in the summary with its own value."
        : `All ${size} weights are in the summary, each with its own value.`
      : `${size} weights, summarised in ${sizeText(summary.bins.length)} bins: squared error at most ${number((100 * bound.mse) / Math.max(found.mse, 1e-300), 2)}% off, occupancy at most ${number(100 * bound.misplaced, 2)}% of the weights.`;
    const stage = grid.moment ? ` Stage ${grid.moment.stage}: ${STAGES[grid.moment.stage]}` : "";
    const least = grid.cut <= data.minStep ? ` No step is smaller than this one, ${number(data.minStep, 1)}.` : "";
    const { remark = "" } = (ui.state.start === "learned" && data.layers[ui.state.layer].learned) || {};
    words =
      kept +
      stage +
      least +
      (remark && ` ${remark}`) +
      (ui.alive() ? "" : " Exact numbers, export and further layers need a kernel.");
    ui.note(words);
  }
  const STAGES = {
    shrink: "both intervals shrink.",
    widen: "levels learn; here they go to the least squared error of these weights, for there is no other loss.",
    dampen: "dampening pulls weights to the middle of their bin; how far it gets here is chosen for the eye.",
  };

  // The hand rests: numbers by the package itself replace those of the summary.
  async function rest(state) {
    const summary = summaries[state.layer],
      key = JSON.stringify(state),
      own = ++stamp;
    if (!summary?.size) return;
    describe(state, summary);
    if (!ui.alive() || exact) return;
    for (;;) {
      // large layers are counted a part at a time; who asks no more stops it
      const answer = await ui.ask("exact");
      if (own !== stamp || key !== JSON.stringify(ui.state)) return;
      if (answer.counted === undefined) {
        exact = { ...answer, key };
        break;
      }
      ui.note(`${words} Counting the exact numbers: ${percent(answer.counted)}.`);
    }
    ui.redraw();
  }
  function describe(state, summary) {
    const grid = gridOf(state, summary);
    const words = `${specs.quantizer.options.find(([key]) => key === state.quantizer)[1]}, ${grid.bits} bits, thresholds ${number(grid.alpha * grid.th)} and levels ${number(grid.alpha * grid.le)} apart`;
    histogram.describe(`${sizeText(summary.size)} weights; ${words}`);
    stairs.describe(words);
    bars.describe([...readoutsOf(summary, grid).occupancy].slice(0, 16).map(percent).join(", "));
  }

  load(ui.state.layer);
  return {
    draw,
    changed,
    rest,
    propose: (state) =>
      `intervals-${state.layer}-${state.quantizer}-${ui.value("bits")}bits`.replace(/[^A-Za-z0-9._-]+/g, "-"),
  };
}
