// Rows of controls: a label with a slider, a menu or a box.

import { freshId, make } from "./elements.js";

/**
 * @param {Spec} spec
 * @param {string} page
 * @param {(value: any) => void} moved called with the new value when the user moves the control
 */
export function controlRow(spec, page, moved) {
  const id = freshId(page);
  const label = make("label", { textContent: spec.label, htmlFor: id });
  const node = make("div", { className: `control ${spec.kind}` });
  node.dataset.name = spec.name;
  if (spec.kind === "slider") {
    const input = make("input", { type: "range", id, min: 0, max: spec.values.length - 1, step: 1 });
    input.addEventListener("input", () => moved(Number(input.value)));
    const output = make("output");
    output.htmlFor.add(id);
    node.append(label, input, output);
    return { node, input };
  }
  if (spec.kind === "menu") {
    const options = spec.options.map(([value, words]) => make("option", { value, textContent: words }));
    const input = make("select", { id }, ...options);
    input.addEventListener("change", () => moved(input.value));
    node.append(label, input);
    return { node, input };
  }
  const input = make("input", { type: "checkbox", id });
  input.addEventListener("change", () => moved(input.checked));
  node.append(input, label);
  return { node, input };
}

// Play, Pause and Step of a slider; Step alone where motion is to be reduced.
export class Player {
  /**
   * @param {Spec} spec
   * @param {() => number} place the index of the slider's stop
   * @param {(value: number) => void} moved
   * @param {() => void} stopped
   */
  constructor(spec, place, moved, stopped) {
    this.spec = spec;
    this.timer = 0;
    this.place = place;
    this.moved = moved;
    this.stopped = stopped;
    this.last = spec.values.length - 1;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.play = make("button", { type: "button" });
    this.step = make("button", { type: "button", textContent: "Step" });
    this.step.setAttribute("aria-label", `Step: ${spec.label}`);
    this.play.addEventListener("click", () => (this.running() ? this.stop() : this.start()));
    this.step.addEventListener("click", () => {
      this.stop();
      this.forward(spec.step);
    });
    this.calm = () => {
      this.play.hidden = this.still.matches;
      if (this.still.matches) this.stop();
    };
    this.still.addEventListener("change", this.calm);
    this.play.hidden = this.still.matches;
    this.#say("▶ Play", "Play");
    this.element = make("span", { className: "buttons" }, this.play, this.step);
  }
  running() {
    return this.timer !== 0;
  }
  start() {
    if (this.place() >= this.last) this.moved(0);
    this.#say("❚❚ Pause", "Pause");
    this.timer = setInterval(() => {
      if (this.place() >= this.last) this.stop();
      else this.forward(1);
    }, this.spec.play);
  }
  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.#say("▶ Play", "Play");
    this.stopped();
  }
  // From the last stop to the first one.
  forward(count) {
    const place = this.place();
    this.moved(place >= this.last ? 0 : Math.min(this.last, place + count));
  }
  leave() {
    clearInterval(this.timer);
    this.still.removeEventListener("change", this.calm);
  }
  #say(words, spoken) {
    this.play.textContent = words;
    this.play.setAttribute("aria-label", `${spoken}: ${this.spec.label}`);
  }
}
