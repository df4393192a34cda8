// The run explorer: two trainings at one epoch and over all of them; level shares, step sizes, crossings, oscillating
// share, transitions, and a table of all layers. All numbers of a run are here, so sliding asks nobody.

import { doubles, floats } from "../base/arrays.js";
import { mix } from "../base/colors.js";
import { make } from "../base/elements.js";
import { number, percent, ticks } from "../base/numbers.js";
import { layerTable } from "./layer_table.js";
import { drawTransitions } from "./transition_maps.js";

const NO_TRANSITIONS = "Not kept: this run has no table of transitions.";

export function explore(ui) {
  const { data } = ui,
    runs = {},
    loading = {},
    slots = ["first", "second"],
    here = { first: null, second: data.none };
  ui.el.classList.add("runs");
  const levels = ui.panel({ title: "share of weights on every level; lines on the bars: at the start", height: 220 });
  const intervals = ui.panel({ title: "step size s", height: 220 });
  const rate = ui.panel({ title: "thresholds crossed, per weight and 1000 steps", height: 220 });
  const oscillating = ui.panel({ title: "oscillating share of weights", height: 220 });
  const maps = slots.map(() => {
    const panel = ui.panel({ title: "transitions", height: 240 });
    panel.missing = panel.figure.appendChild(make("p", { className: "missing", textContent: NO_TRANSITIONS }));
    return panel;
  });
  for (const panel of [levels, intervals, rate, oscillating, ...maps]) panel.figure.style.flexBasis = ""; // as in style.css
  const table = layerTable(ui);
  let end = 0,
    layers = "",
    limits = { key: "" };

  function unpacked(message) {
    const run = {
      ...message,
      epochs: message.steps.length - 1,
      at: Object.fromEntries(message.layers.map((l, i) => [l, i])),
    };
    for (const name of ["shares", "oscillating", "rate", "crossed", "intervals", "accuracy", "places", "counts"])
      if (message[name] !== undefined) run[name] = floats(message[name]);
    if (message.bounds !== undefined) run.bounds = doubles(message.bounds);
    const moments = run.epochs + 1,
      part = (values, i, size) => values.subarray(i * size, (i + 1) * size);
    run.codes = run.shares.length / (message.layers.length * moments);
    run.over = (name, layer) => part(run[name], run.at[layer], moments);
    run.value = (name, layer, epoch) => run.over(name, layer)[Math.min(epoch, run.epochs)];
    run.levels = (layer, epoch) => part(run.shares, run.at[layer] * moments + Math.min(epoch, run.epochs), run.codes);
    run.transitions = (layer, epoch) => {
      const counts = new Float64Array(run.codes ** 2),
        cell = run.at[layer] * moments + Math.min(epoch, run.epochs);
      for (let k = run.bounds[cell]; k < run.bounds[cell + 1]; k++) counts[run.places[k]] = run.counts[k];
      return counts;
    };
    run.everCounted = (layer) =>
      run.counts.subarray(run.bounds[run.at[layer] * moments], run.bounds[(run.at[layer] + 1) * moments]);
    return run;
  }

  // The runs drawn are the ones chosen as soon as their numbers are here; where they cannot come, the choice goes back.
  async function load(slot, key) {
    if (loading[key]) return;
    loading[key] = true;
    ui.say(`${data.offered[key].title}: loading …`);
    try {
      runs[key] = unpacked(data.runs[key] ?? (await ui.ask("run", { name: key })));
      ui.say("");
    } catch (error) {
      ui.say(`${data.offered[key].title}: ${error.message}`);
      if (ui.state[slot] === key) ui.state[slot] = here[slot];
    }
    delete loading[key];
    ui.set({});
  }
  function settle(state) {
    for (const slot of slots) {
      const key = state[slot];
      if (key !== data.none && !runs[key] && data.runs[key]) runs[key] = unpacked(data.runs[key]);
      if (key === data.none || runs[key]) here[slot] = key;
      else load(slot, key);
    }
    const drawn = slots.map((slot) => runs[here[slot]]).filter(Boolean),
      slider = ui.controls.epoch.querySelector("input");
    const union = [...new Set(drawn.flatMap((run) => run.layers))],
      menu = ui.controls.layer.querySelector("select");
    if (layers !== union.join()) {
      layers = union.join();
      menu.replaceChildren(...union.map((layer) => make("option", { value: layer, textContent: layer })));
    }
    if (!union.includes(state.layer)) state.layer = data.whole;
    if (menu.value !== state.layer) menu.value = state.layer;
    end = Math.max(0, ...drawn.map((run) => run.epochs));
    if (Number(slider.max) !== end) slider.max = end;
    state.epoch = Math.min(state.epoch, end);
  }
  // The slider's stops reach as far as the longest run there is, so Play is stopped where these runs end.
  function changed(name, state) {
    ui.say("");
    if (name !== "epoch") return;
    if (state.epoch > end) state.epoch = 0;
    else if (state.epoch === end) ui.controls.epoch.querySelector('[aria-label^="Pause"]')?.click();
  }

  // The drawn runs that have the layer: [{ key, title, color, dash, run }].
  function shown(state) {
    const found = [];
    slots.forEach((slot, i) => {
      const key = here[slot];
      if (!runs[key] || found.some((other) => other.key === key)) return;
      const raw = data.offered[key].color;
      const own = found.some((other) => other.raw === raw) ? data.other : raw;
      found.push({
        key,
        i,
        raw,
        title: data.offered[key].title,
        color: readable(own),
        dash: i ? [6, 4] : [],
        run: runs[key],
      });
    });
    return found;
  }
  // A method's colour where it would not stand out from the page, lightened or darkened.
  function readable(color) {
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16)),
      light = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    if (ui.theme.dark && light < 0.4) return mix([color, "#ffffff"], 0.4);
    return !ui.theme.dark && light > 0.65 ? mix([color, "#000000"], 0.3) : color;
  }

  function draw(state) {
    settle(state);
    const all = shown(state),
      some = all.filter(({ run }) => state.layer in run.at);
    ui.beside("epoch", `${state.epoch} of ${end}`);
    scale(state, some);
    drawLevels(state, some);
    drawCourse(intervals, "intervals", state, some, { none: "no step size is learned here" });
    drawCourse(rate, "rate", state, some, { ylabel: "crossings", times: 1000 });
    drawCourse(oscillating, "oscillating", state, some, { ylabel: "share of weights", yformat: percentTick });
    drawMaps(state, some);
    table.draw(state, all);
    write(state, all, some);
    ui.named?.();
  }

  // Limits of the axes: the same at every epoch, so that what moves is the numbers.
  function scale(state, some) {
    const key = [state.layer, ...some.map((one) => one.key)].join();
    if (limits.key === key) return;
    const reach = (name, from0) => {
      const values = some
        .flatMap(({ run }) => lines(run, name, state.layer).flatMap((line) => [...line]))
        .filter(Number.isFinite);
      if (!values.length) return null;
      const low = from0 ? 0 : Math.min(...values),
        high = Math.max(...values);
      const room = 0.06 * (high - low) || 0.05 * Math.abs(high) || 1e-3;
      return [from0 ? 0 : low - room, high + 2 * room];
    };
    const most = Math.max(
      0,
      ...some.flatMap(({ run }) =>
        Array.from({ length: run.epochs + 1 }, (_, e) => Math.max(...run.levels(state.layer, e))),
      ),
    );
    const counted = { low: Infinity, high: 0 };
    for (const { run } of some)
      for (const count of run.counts ? run.everCounted(state.layer) : []) {
        counted.low = Math.min(counted.low, count);
        counted.high = Math.max(counted.high, count);
      }
    limits = {
      key,
      transitions: counted,
      levels: [0, 1.05 * most + 1e-9],
      rate: reach("rate", true),
      oscillating: reach("oscillating", true),
      intervals: reach("intervals", false),
    };
    if (state.layer === data.whole && limits.intervals) {
      const values = some
        .flatMap(({ run }) => lines(run, "intervals", data.whole).flatMap((line) => [...line]))
        .filter((v) => v > 0);
      limits.intervals = [0.8 * Math.min(...values), 1.25 * Math.max(...values)];
    }
  }
  // Step sizes belong to layers: those of all of them stand for the whole.
  const lines = (run, name, layer) =>
    name === "intervals" && layer === data.whole
      ? run.layers.filter((l) => l !== data.whole).map((l) => run.over(name, l))
      : [run.over(name, layer)];
  const percentTick = (y) => `${+(100 * y).toPrecision(3)}%`;

  function drawLevels(state, some) {
    const codes = Math.max(2, ...some.map(({ run }) => run.codes));
    const axes = levels.axes({
      x: [-0.6, codes - 0.4],
      y: limits.levels,
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
        return;
      }
      const wide = 0.8 / some.length,
        left = (k) => k - 0.4 + i * wide;
      axes.within(
        (c) =>
          now.forEach((share, k) =>
            c.rect(
              axes.X(left(k)),
              axes.Y(share),
              axes.X(left(k) + wide) - axes.X(left(k)) - 1,
              axes.Y(0) - axes.Y(share),
            ),
          ) ?? c.fill(),
        { color },
      );
      axes.within(
        (c) => {
          start.forEach((share, k) => {
            c.moveTo(axes.X(left(k)), axes.Y(share));
            c.lineTo(axes.X(left(k) + wide) - 1, axes.Y(share));
          });
          c.stroke();
        },
        { width: 1.6 },
      );
    });
  }

  function drawCourse(
    panel,
    name,
    state,
    some,
    { ylabel = "", times = 1, yformat, none = "nothing was recorded here" },
  ) {
    const whole = name === "intervals" && state.layer === data.whole,
      found = limits[name];
    const xticks = ticks(0, Math.max(1, end), 6).filter(Number.isInteger);
    if (!found) {
      const axes = panel.axes({ x: [0, Math.max(1, end)], y: [0, 1], xlabel: "epoch", xticks, yticks: [] });
      axes.text(none, Math.max(1, end) / 2, 0.5, { align: "center", color: ui.theme.dim, size: 13 });
      return;
    }
    const axes = panel.axes({
      x: [0, Math.max(1, end)],
      y: found.map((v) => v * times),
      xlabel: "epoch",
      ylabel,
      xticks,
      yformat,
      logy: whole,
    });
    const stages = some.find(({ run }) => run.stages.length)?.run.stages ?? [];
    axes.vlines(
      stages.slice(1).map(([from]) => from),
      { color: ui.theme.dim, width: 1, dash: [1, 3] },
    );
    for (const [from, to, words] of stages)
      if (axes.X(to) - axes.X(from) > 46)
        axes.text(words, (from + to) / 2, found[1] * times, { align: "center", dy: 13, color: ui.theme.dim });
    axes.vlines([state.epoch], { color: ui.theme.fg, width: 1.2 });
    for (const { run, color, dash } of some)
      for (const line of lines(run, name, state.layer)) {
        const at = Math.min(state.epoch, run.epochs);
        axes.line(
          line.map((_, e) => e),
          line.map((v) => v * times),
          { color, width: whole ? 0.9 : 2, dash, alpha: whole ? 0.7 : 1 },
        );
        if (!whole && Number.isFinite(line[at])) axes.dots([at], [line[at] * times], { color, size: 4.5 });
      }
    if (name === "rate")
      axes.legend(
        some.map(({ title, color, dash }) => [title, color, dash]),
        "right",
        9,
      );
  }

  function drawMaps(state, some) {
    const known = some.some(({ run }) => run.counts),
      drawn = [];
    maps.forEach((panel, i) => {
      const one = some[i],
        run = one?.run,
        at = run && Math.min(state.epoch, run.epochs);
      panel.figure.hidden = known ? !one : i > 0;
      panel.figure.classList.toggle("words", !known);
      panel.missing.style.display = run?.counts ? "none" : "";
      panel.canvas.style.display = run?.counts ? "" : "none";
      const when = !run?.counts ? "" : at ? ` in epoch ${at}` : ", none before epoch 1";
      const title = known && one ? `transitions${when}, ${one.title}` : "transitions";
      if (panel.caption.textContent !== title) panel.caption.textContent = title;
      if (run?.counts)
        drawn.push({
          panel,
          counts: run.transitions(state.layer, at),
          n: run.codes,
          where: `${one.title}, ${state.layer}, epoch ${at}`,
        });
    });
    drawTransitions(drawn, limits.transitions, data.heat);
  }

  function write(state, all, some) {
    const { layer, epoch } = state,
      entries = some.flatMap(({ run, title }) => {
        const at = Math.min(epoch, run.epochs),
          stage = run.stages.find(([from, to]) => at > from && at <= to)?.[2];
        return [
          { label: "oscillating weights", value: percent(run.value("oscillating", layer, epoch)), note: title },
          {
            label: "crossings per weight and 1000 steps",
            value: number(1000 * run.value("rate", layer, epoch)),
            note: title,
          },
          {
            label: "step size",
            value: number(run.value("intervals", layer, epoch)),
            note: layer === data.whole ? "each layer has its own" : title,
          },
          {
            label: "accuracy on test images",
            value: percent(run.accuracy[at]),
            note: stage ? `${title}, stage ${stage}` : title,
          },
        ];
      });
    ui.readouts(entries);
    const at = [...new Set(some.map(({ run }) => run.steps[Math.min(epoch, run.epochs)]))];
    const words = [
      `Recorded at step ${at.join(" and ")}; a weight oscillates if it goes back over a threshold at more than ${data.above} of the steps${all.some(({ run }) => run.every > 1) ? " at which codes are looked at" : ""}.`,
    ];
    for (const { run, title } of all) {
      if (run.every > 1) words.push(`In ${title} that is every ${run.every} steps: crossings in between are not seen.`);
      if (!(layer in run.at)) words.push(`${title} has no layer ${layer}.`);
      else if (epoch > run.epochs) words.push(`${title} ended at epoch ${run.epochs} and stands there.`);
    }
    if (!ui.alive()) words.push("Further runs and export need a kernel.");
    ui.note(words.join(" "));
  }

  function rest(state) {
    const words = (name, format) =>
      shown(state)
        .filter(({ run }) => state.layer in run.at)
        .map(({ run, title }) => `${title} ${format(run.value(name, state.layer, state.epoch))}`)
        .join("; ");
    const where = `${state.layer}, epoch ${state.epoch}`;
    levels.describe(
      `${where}: ${shown(state)
        .filter(({ run }) => state.layer in run.at)
        .map(
          ({ run, title }) =>
            `${title} ${[...run.levels(state.layer, state.epoch)].slice(0, 16).map(percent).join(", ")}`,
        )
        .join("; ")}`,
    );
    intervals.describe(`${where}: ${words("intervals", number)}`);
    rate.describe(`${where}: ${words("rate", (v) => number(1000 * v))}`);
    oscillating.describe(`${where}: ${words("oscillating", percent)}`);
  }

  const slug = (key) => key.replace(/^recorded-/, "");
  return {
    draw,
    changed,
    rest,
    propose: (state) =>
      [
        "runs",
        ...slots
          .map((slot) => here[slot])
          .filter((key) => runs[key])
          .map(slug),
        state.layer,
        `epoch${state.epoch}`,
      ]
        .join("-")
        .replace(/[^A-Za-z0-9._-]+/g, "-"),
  };
}
