// The form of a training explorer: the menus of its settings, a button, and how far the training is.

import { make, sentenceOf, write } from "../base/elements.js";

const FORM = ["network", "method", "bits", "seed"];

// Does nothing in an explorer without the form.
/** @param {Ui} ui */
export function trainForm(ui) {
  if (!ui.controls.network) return { draw() {}, running: () => false };
  const button = make("button", { type: "button", textContent: "▶ Train" });
  const status = make("span", { className: "progress" });
  status.setAttribute("role", "status");
  const row = make("div", { className: "control train" }, button, status);
  ui.controls.seed.after(row);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await ui.ask("train", {}, true);
    } catch (error) {
      ui.say(sentenceOf(error));
    }
    ui.redraw();
  });
  ui.on("progress", ui.redraw);
  const progress = () => ui.get("progress") ?? {};

  function draw() {
    const { running = false, text = "" } = progress();
    for (const node of [row, ...FORM.map((name) => ui.controls[name])]) node.hidden = !ui.alive();
    for (const name of FORM) ui.enable(name, !running, "a training is running");
    if (button.disabled !== running) button.disabled = running;
    write(status, text);
  }
  return { draw, running: () => Boolean(progress().running) };
}
