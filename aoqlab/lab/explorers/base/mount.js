// Controls, panels, readouts and questions to the kernel, for every explorer. Its own script has explore(ui); see
// explorer.py.

import { themeOf, watchTheme } from "./colors.js";
import { controlRow, Player } from "./controls.js";
import { make, sentenceOf, write } from "./elements.js";
import { exportRow } from "./export_row.js";
import { panelOf, readoutsIn } from "./panel.js";

const REST = 150; // milliseconds without a change after which the controls are at rest
const SLOW = 4000; // milliseconds without an answer after which the user is told
export const GONE =
  "This needs a running kernel, and none is here: run the cell again. Sliders and pictures work without it.";
const BUSY = "The kernel does not answer: it is busy, was restarted or is gone. Sliders and pictures work without it.";

// Builds the explorer in `el`; the returned function takes it away again.
/**
 * @param {HTMLElement} el
 * @param {Model} model
 * @param {(ui: Ui) => View} explore
 */
export function mount(el, model, explore) {
  const mounted = new Mounted(el, model);
  mounted.begin(explore);
  return () => mounted.leave();
}

class Mounted {
  /** @type {View | null} */
  view = null;
  /** @type {Player[]} */
  players = [];
  /** @type {Record<string, HTMLInputElement | HTMLSelectElement>} */
  inputs = {};
  /** @type {Record<string, HTMLElement>} */
  rows = {};
  /** @type {(() => void)[]} */
  leaving = [];
  frame = 0;
  resting = 0;
  seen = false;

  /**
   * @param {HTMLElement} el
   * @param {Model} model
   */
  constructor(el, model) {
    this.model = model;
    /** @type {Record<string, Spec>} */
    this.specs = Object.fromEntries(model.get("_controls").map((spec) => [spec.name, spec]));
    const title = model.get("_title");
    this.root = make("div", { className: "aoq" }, make("style", { textContent: STYLE }));
    this.root.append(make("h3", { textContent: title }));
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", title);
    // Arrows, Enter and letters are shortcuts of the notebook; here they move what has the focus. JupyterLab looks for
    // shortcuts after the explorer, Notebook 7 before it, unless what has the focus bears the attribute.
    const plain = (event) => !event.ctrlKey && !event.metaKey;
    const suppress = (event) => {
      if (this.root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", plain(event));
    };
    addEventListener("keydown", suppress, true);
    this.leaving.push(() => removeEventListener("keydown", suppress, true));
    this.root.addEventListener("keydown", (event) => {
      if (plain(event)) event.stopPropagation();
    });
    this.controls = make("div", { className: "controls" });
    this.panels = make("div", { className: "panels" });
    this.readouts = make("dl", { className: "readouts" });
    this.note = make("p", { className: "note" });
    this.say = make("p", { className: "say" });
    this.say.setAttribute("role", "status");
    this.root.append(this.controls, this.panels, this.readouts, this.note, this.say);
    el.append(this.root);
    this.sizes = new ResizeObserver(() => this.redraw());
    this.ui = this.#ui();
  }

  begin(explore) {
    const { model, ui } = this;
    this.leaving.push(
      model.onlife(() => this.redraw()),
      model.onchange("state", (state) => {
        const taken = this.view?.taken?.(state) ?? state;
        if (JSON.stringify(taken) !== JSON.stringify(ui.state)) ui.set(taken);
      }),
      model.onchange("data", (data) => {
        ui.data = data;
      }),
      watchTheme(() => {
        ui.theme = themeOf(this.root);
        this.redraw();
      }),
    );
    for (const spec of Object.values(this.specs)) this.#add(spec);
    const view = explore(ui);
    this.view = view;
    this.root.append(exportRow(ui, (state) => view.propose?.(state) ?? "explorer", model));
    this.show();
    this.redraw();
  }

  leave() {
    for (const act of this.leaving) act();
    for (const player of this.players) player.leave();
    this.sizes.disconnect();
    clearTimeout(this.resting);
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }

  // What an explorer works with.
  /** @returns {Ui} */
  #ui() {
    const { model, specs } = this;
    return {
      el: this.root,
      state: { ...model.get("state") },
      data: model.get("data"),
      specs,
      controls: this.rows,
      theme: themeOf(this.root),
      value: (name) => {
        const at = this.ui.state[name];
        return specs[name].kind === "slider" ? specs[name].values[at] : at;
      },
      // Changes made by the explorer itself.
      set: (changes) => {
        Object.assign(this.ui.state, changes);
        this.show();
        this.redraw();
      },
      show: () => this.show(),
      enable: (name, yes, why) => this.enable(name, yes, why),
      beside: (name, words) => this.beside(name, words),
      redraw: () => this.redraw(),
      panel: (options) => {
        const panel = panelOf(options, () => this.ui.theme);
        this.panels.append(panel.figure);
        this.sizes.observe(panel.canvas);
        return panel;
      },
      readouts: readoutsIn(this.readouts),
      note: (words) => write(this.note, words),
      say: (words) => write(this.say, words),
      alive: () => model.alive(),
      get: (name) => model.get(name),
      on: (name, act) => this.leaving.push(model.onchange(name, act)),
      ask: (kind, payload = {}, patient = false) => this.ask(kind, payload, patient),
    };
  }

  /** @param {Spec} spec */
  #add(spec) {
    const { node, input } = controlRow(spec, this.model.get("_page"), (value) => this.moved(spec.name, value));
    if (spec.play) {
      const move = (value) => this.moved(spec.name, value);
      const player = new Player(
        spec,
        () => this.ui.state[spec.name],
        move,
        () => this.redraw(),
      );
      node.append(player.element);
      this.players.push(player);
    }
    this.rows[spec.name] = node;
    this.inputs[spec.name] = input;
    this.controls.append(node);
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    if (!this.root.isConnected) return;
    if (!this.seen) this.ui.theme = themeOf(this.root); // colours are known once it is in the page
    this.seen = true;
    try {
      this.view?.draw(this.ui.state);
    } catch (error) {
      this.ui.say(`Not drawn: ${sentenceOf(error)}`);
    }
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), REST);
  }

  rest() {
    if (this.players.some((player) => player.running())) return;
    if (!this.view?.busy?.()) this.model.save({ ...this.ui.state });
    Promise.resolve(this.view?.rest?.(this.ui.state)).catch((error) => this.ui.say(sentenceOf(error)));
  }

  // The user moved a control.
  moved(name, value) {
    this.ui.state[name] = value;
    this.view?.changed?.(name, this.ui.state);
    this.show();
    this.redraw();
  }

  // Controls show the state.
  show() {
    const { state } = this.ui;
    for (const [name, input] of Object.entries(this.inputs)) {
      if (this.specs[name].kind === "check" && input instanceof HTMLInputElement) input.checked = state[name];
      else if (input.value !== String(state[name])) input.value = state[name];
      if (this.specs[name].kind === "slider") this.beside(name, null);
    }
  }

  enable(name, yes, why = "") {
    const row = this.rows[name];
    for (const node of [this.inputs[name], ...row.querySelectorAll("button")])
      if (node.disabled === yes) node.disabled = !yes;
    if (!yes) for (const player of this.players) if (player.spec.name === name && player.running()) player.stop();
    row.classList.toggle("off", !yes);
    if (row.title !== why) row.title = yes ? "" : why;
  }

  // Replaces the words next to a slider; null restores the words of its stop.
  beside(name, words) {
    const text = String(words ?? this.specs[name].shown[this.ui.state[name]]);
    const output = this.rows[name].querySelector("output");
    if (output?.textContent === text) return;
    if (output) output.textContent = text;
    this.inputs[name].setAttribute("aria-valuetext", text);
  }

  async ask(kind, payload, patient) {
    if (!this.model.alive()) throw new Error(GONE);
    const slow = setTimeout(() => patient || this.ui.say(BUSY), SLOW);
    try {
      const answer = await this.model.ask(kind, { ...this.ui.state }, payload);
      if (this.say.textContent === BUSY) this.ui.say("");
      return answer;
    } finally {
      clearTimeout(slow);
    }
  }
}
