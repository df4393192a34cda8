// The run explorer: two trainings at one epoch and over all of them; level shares, step sizes, crossings, oscillating
// share, transitions, and a table of all layers. All numbers of a run are here, so sliding needs no kernel.

import { chosenRuns } from "./chosen.js";
import { layerTable } from "./layer_table.js";
import { coursePanels } from "./panels.js";
import { runReadouts } from "./readouts.js";
import { trainForm } from "./train_form.js";
import { transitionMaps } from "./transition_maps.js";

/**
 * @param {Ui} ui
 * @returns {View}
 */
export function explore(ui) {
  ui.el.classList.add("runs");
  const form = trainForm(ui),
    chosen = chosenRuns(ui),
    panels = coursePanels(ui),
    maps = transitionMaps(ui),
    readouts = runReadouts(ui),
    table = layerTable(ui);
  const having = (layer) => chosen.shown().filter(({ run }) => layer in run.at);
  ui.on("data", chosen.received);

  function draw(state) {
    form.draw();
    chosen.settle(state);
    const all = chosen.shown(),
      some = having(state.layer),
      end = chosen.end();
    ui.beside("epoch", `${state.epoch} of ${end}`);
    const { transitions } = panels.draw(state, some, end);
    maps.draw(state, some, transitions);
    table.draw(state, all);
    readouts.draw(state, all, some);
    ui.named?.();
  }
  const pause = () => {
    /** @type {HTMLElement | null} */
    const button = ui.controls.epoch.querySelector('[aria-label^="Pause"]');
    button?.click();
  };
  // The slider's stops reach as far as the longest run there is, so Play is stopped where these runs end.
  function changed(name, state) {
    ui.say("");
    if (name !== "epoch") return;
    const end = chosen.end();
    if (state.epoch > end) state.epoch = 0;
    else if (state.epoch === end) pause();
  }
  function propose(state) {
    const keys = chosen.shown().map(({ key }) => key);
    return ["runs", ...keys, state.layer, `epoch${state.epoch}`].join("-").replace(/[^A-Za-z0-9._-]+/g, "-");
  }
  // While a training runs, the kernel reads nothing, and what it sends of the state is older than what the user chose.
  const taken = (state) => (form.running() ? { ...ui.state, first: state.first, second: state.second } : state);
  const rest = (state) => panels.describe(state, having(state.layer));
  return { draw, changed, propose, rest, taken, busy: form.running };
}
