// Controls, readouts and questions to the kernel, for every explorer. Its own file defines explore(ui); see base/explorer.py.

import { themeOf } from "./colors.js";
import { freshId, make } from "./elements.js";
import { exporter } from "./export_row.js";
import { Axes } from "./plot.js";

const REST = 150; // milliseconds without a change after which the hand rests
const SLOW = 4000; // milliseconds without an answer after which a person is told
export const GONE =
  "This needs a running kernel, and none is here: run the cell again. Sliders and pictures go on without it.";

// Builds the explorer in `el` over a model { get, save, onstate, onlife, alive, ask }; returns what takes it away again.
export function mount(el, model, explore) {
  const root = make("div", { className: "aoq" });
  root.append(make("style", { textContent: STYLE }), make("h3", { textContent: model.get("_title") }));
  root.setAttribute("role", "group");
  // In JupyterLab arrows, Enter and letters are the notebook's own; here they move what has the focus.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  root.setAttribute("aria-label", model.get("_title"));
  const controls = make("div", { className: "controls" }),
    panels = make("div", { className: "panels" });
  const readouts = make("dl", { className: "readouts" });
  const note = make("p", { className: "note" }),
    say = make("p", { className: "say" });
  say.setAttribute("role", "status");
  root.append(controls, panels, readouts, note, say);
  el.append(root);

  const specs = Object.fromEntries(model.get("_controls").map((spec) => [spec.name, spec]));
  const rows = {},
    inputs = {},
    leave = [];
  let frame = 0,
    resting = 0,
    view = null,
    players = [],
    seen = false;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const ui = {
    el: root,
    state: { ...model.get("state") },
    data: model.get("data"),
    specs,
    controls: rows,
    theme: themeOf(root),
    value: (name) => (specs[name].kind === "slider" ? specs[name].values[ui.state[name]] : ui.state[name]),
    // Changes made by the explorer itself.
    set(changes) {
      Object.assign(ui.state, changes);
      show();
      ui.redraw();
    },
    show,
    enable(name, yes, why = "") {
      for (const node of [inputs[name], ...rows[name].querySelectorAll("button")])
        if (node.disabled === yes) node.disabled = !yes;
      if (!yes) for (const player of players) if (player.name === name && player.running()) player.stop();
      rows[name].classList.toggle("off", !yes);
      if (rows[name].title !== why) rows[name].title = yes ? "" : why;
    },
    // Other words beside a slider than its stop's; null puts them back.
    beside(name, words) {
      const text = words ?? specs[name].shown[ui.state[name]],
        output = rows[name].querySelector("output");
      if (output.textContent === text) return;
      output.textContent = text;
      inputs[name].setAttribute("aria-valuetext", text);
    },
    redraw() {
      frame ||= requestAnimationFrame(paint);
    },
    panel,
    readouts: writeReadouts,
    note: (words) => {
      if (note.textContent !== words) note.textContent = words;
    },
    say: (words) => {
      if (say.textContent !== words) say.textContent = words;
    },
    alive: model.alive,
    async ask(kind, payload = {}) {
      if (!model.alive()) throw new Error(GONE);
      const slow = setTimeout(
        () =>
          ui.say(
            "The kernel does not answer: it is busy, was restarted or is gone. Sliders and pictures go on without it.",
          ),
        SLOW,
      );
      try {
        const answer = await model.ask(kind, { ...ui.state }, payload);
        if (say.textContent.startsWith("The kernel does not answer")) ui.say("");
        return answer;
      } finally {
        clearTimeout(slow);
      }
    },
  };

  function paint() {
    frame = 0;
    if (!root.isConnected) return;
    if (!seen) ui.theme = themeOf(root); // colours are known once it is in the page
    seen = true;
    try {
      view.draw(ui.state);
    } catch (error) {
      ui.say(`Not drawn: ${error.message}`);
    }
    clearTimeout(resting);
    resting = setTimeout(rest, REST);
  }
  function rest() {
    if (players.some((player) => player.running())) return;
    model.save({ ...ui.state });
    Promise.resolve(view.rest?.(ui.state)).catch((error) => ui.say(error.message));
  }
  // A person moved a control.
  function moved(name, value) {
    ui.state[name] = value;
    view.changed?.(name, ui.state);
    show();
    ui.redraw();
  }
  function show() {
    for (const [name, input] of Object.entries(inputs)) {
      if (specs[name].kind === "check") input.checked = ui.state[name];
      else if (input.value !== String(ui.state[name])) input.value = ui.state[name];
      if (specs[name].kind === "slider") ui.beside(name, null);
    }
  }

  function row(spec) {
    const id = freshId(model.get("_page"));
    const label = make("label", { textContent: spec.label, htmlFor: id });
    const node = make("div", { className: `control ${spec.kind}` });
    node.dataset.name = spec.name;
    let input;
    if (spec.kind === "slider") {
      input = make("input", { type: "range", id, min: 0, max: spec.values.length - 1, step: 1 });
      input.addEventListener("input", () => moved(spec.name, Number(input.value)));
      const output = make("output");
      output.htmlFor = id;
      node.append(label, input, output);
      if (spec.play) node.append(player(spec));
    } else if (spec.kind === "menu") {
      input = make(
        "select",
        { id },
        ...spec.options.map(([value, words]) => make("option", { value, textContent: words })),
      );
      input.addEventListener("change", () => moved(spec.name, input.value));
      node.append(label, input);
    } else {
      input = make("input", { type: "checkbox", id });
      input.addEventListener("change", () => moved(spec.name, input.checked));
      node.append(input, label);
    }
    rows[spec.name] = node;
    inputs[spec.name] = input;
    controls.append(node);
  }

  // Play, Pause and Step of a slider; where motion is to be reduced, Step alone.
  function player(spec) {
    const play = make("button", { type: "button", textContent: "▶ Play" });
    const step = make("button", { type: "button", textContent: "Step" });
    play.setAttribute("aria-label", `Play: ${spec.label}`);
    step.setAttribute("aria-label", `Step: ${spec.label}`);
    const last = spec.values.length - 1;
    let timer = 0;
    const running = () => timer !== 0;
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "▶ Play";
      play.setAttribute("aria-label", `Play: ${spec.label}`);
      ui.redraw();
    };
    const on = (count) => moved(spec.name, Math.min(last, ui.state[spec.name] + count));
    play.addEventListener("click", () => {
      if (running()) return stop();
      if (ui.state[spec.name] >= last) moved(spec.name, 0);
      play.textContent = "❚❚ Pause";
      play.setAttribute("aria-label", `Pause: ${spec.label}`);
      timer = setInterval(() => {
        if (ui.state[spec.name] >= last) stop();
        else on(1);
      }, spec.play);
    });
    step.addEventListener("click", () => {
      stop();
      if (ui.state[spec.name] >= last) moved(spec.name, 0);
      else on(spec.step);
    });
    const calm = () => {
      play.hidden = still.matches;
      if (still.matches) stop();
    };
    still.addEventListener("change", calm);
    leave.push(() => {
      clearInterval(timer);
      still.removeEventListener("change", calm);
    });
    play.hidden = still.matches;
    players.push({ name: spec.name, running, stop });
    return make("span", { className: "buttons" }, play, step);
  }

  function panel({ title, height = 230, grow = 1 }) {
    const canvas = make("canvas");
    canvas.style.height = `${height}px`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    const caption = make("figcaption", { textContent: title });
    const figure = make("figure", {}, caption, canvas);
    figure.style.flexGrow = grow;
    figure.style.flexBasis = `${Math.round(240 * grow)}px`;
    panels.append(figure);
    sizes.observe(canvas);
    const own = {
      canvas,
      figure,
      caption,
      last: null,
      axes: (options) => (own.last = new Axes(canvas, ui.theme, options)),
      describe: (words) => canvas.setAttribute("aria-label", `${title}: ${words}`),
      // Data coordinates of every click.
      onpoint(act) {
        canvas.addEventListener("click", (event) => {
          const place = own.last?.at(event.offsetX, event.offsetY);
          if (place) act(...place);
        });
        canvas.style.cursor = "crosshair";
      },
    };
    return own;
  }

  // Rows are made once and their texts replaced, which is what sliding costs.
  const cells = [];
  function writeReadouts(entries) {
    while (cells.length > entries.length) cells.pop().box.remove();
    entries.forEach(({ label, value, note: small = "" }, i) => {
      if (!cells[i]) {
        const parts = { label: make("dt"), value: make("b"), small: make("small") };
        parts.box = make("div", {}, parts.label, make("dd", {}, parts.value, " ", parts.small));
        readouts.append(parts.box);
        cells.push(parts);
      }
      for (const [part, words] of [
        ["label", label],
        ["value", value],
        ["small", small],
      ])
        if (cells[i][part].textContent !== words) cells[i][part].textContent = words;
    });
  }

  const sizes = new ResizeObserver(() => ui.redraw());
  const repaint = () => {
    ui.theme = themeOf(root);
    ui.redraw();
  };
  const themes = new MutationObserver(() => setTimeout(repaint, 50));
  themes.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"],
  });
  themes.observe(document.documentElement, { attributes: true });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", repaint);
  leave.push(() => {
    sizes.disconnect();
    themes.disconnect();
    scheme.removeEventListener("change", repaint);
  });
  leave.push(() => {
    clearTimeout(resting);
    cancelAnimationFrame(frame);
  });
  leave.push(model.onlife(ui.redraw));
  leave.push(
    model.onstate((state) => {
      if (JSON.stringify(state) !== JSON.stringify(ui.state)) ui.set(state);
    }),
  );

  Object.values(specs).forEach(row);
  view = explore(ui);
  root.append(exporter(ui, (state) => view.propose?.(state) ?? "explorer", model));
  show();
  ui.redraw();
  return () => {
    leave.forEach((act) => act());
    root.remove();
  };
}
