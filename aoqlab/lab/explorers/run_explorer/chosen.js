// Which runs are drawn: the two that the menus choose, as soon as their numbers are here.

import { mix } from "../base/colors.js";
import { make, sentenceOf } from "../base/elements.js";
import { unpacked } from "./run.js";

const SLOTS = ["first", "second"];

/** @param {Ui} ui */
export function chosenRuns(ui) {
  const runs = {}, // key -> run
    sent = {}, // key -> the message it was unpacked from
    loading = {},
    here = { first: null, second: ui.data.none }; // what is drawn, which may be less than what is chosen
  let end = 0,
    layers = "",
    fresh = false,
    followed = { key: "", epoch: -1 };

  /** @returns {HTMLInputElement | HTMLSelectElement} */
  const inputOf = (name) => /** @type {any} */ (ui.controls[name].querySelector("select, input"));

  // Numbers that came with the explorer or from a training may be newer than those unpacked before.
  function take() {
    for (const [key, message] of Object.entries(ui.data.runs))
      if (sent[key] !== message) {
        runs[key] = unpacked(message);
        sent[key] = message;
      }
  }
  // Where numbers cannot come, the choice goes back.
  async function load(slot, key) {
    if (loading[key]) return;
    loading[key] = true;
    ui.say(`${ui.data.offered[key].title}: loading …`);
    try {
      runs[key] = unpacked(await ui.ask("run", { name: key }));
      ui.say("");
    } catch (error) {
      ui.say(`${ui.data.offered[key].title}: ${sentenceOf(error)}`);
      if (ui.state[slot] === key) ui.state[slot] = here[slot] ?? ui.data.none;
    }
    delete loading[key];
    ui.set({});
  }

  // Brings the drawn runs, the menu of layers and the slider's end in line with the state.
  function settle(state) {
    for (const slot of SLOTS) {
      const key = state[slot];
      if (key === ui.data.none || runs[key]) here[slot] = key;
      else load(slot, key);
    }
    const drawn = SLOTS.map((slot) => runs[here[slot]]).filter(Boolean);
    const union = [...new Set([ui.data.whole, ...drawn.flatMap((run) => run.layers)])];
    if (layers !== union.join()) {
      layers = union.join();
      fill(
        "layer",
        union.map((layer) => [layer, layer]),
      );
    }
    if (!union.includes(state.layer)) state.layer = ui.data.whole;
    const menu = inputOf("layer"),
      slider = inputOf("epoch");
    if (menu.value !== state.layer) menu.value = state.layer;
    end = Math.max(0, ...drawn.map((run) => run.epochs));
    if (slider.getAttribute("max") !== String(end)) slider.setAttribute("max", String(end));
    if (fresh) follow(state);
    state.epoch = Math.min(state.epoch, end);
  }
  function fill(name, options) {
    inputOf(name).replaceChildren(...options.map(([value, words]) => make("option", { value, textContent: words })));
  }

  // A training sent an epoch: the slider goes with it, except where the user has moved it away.
  function received() {
    take();
    const texts = Object.entries(ui.data.offered).map(([key, { title }]) => [key, title]);
    fill("first", texts);
    fill("second", [[ui.data.none, ui.data.none], ...texts]);
    fresh = true;
    ui.set({});
  }
  function follow(state) {
    const epoch = runs[state.first]?.epochs ?? 0;
    if (state.first !== followed.key || state.epoch === followed.epoch) state.epoch = epoch;
    followed = { key: state.first, epoch };
    fresh = false;
    ui.show();
  }

  // The runs drawn, once each: [{ key, i, title, name, color, dash, run }]; `name` is what tells them apart.
  function shown() {
    const keys = [...new Set(SLOTS.map((slot) => here[slot]))].filter((key) => runs[key]);
    const offered = keys.map((key) => ui.data.offered[key]);
    const names = briefly(offered);
    return keys.map((key, i) => {
      const { title, color } = offered[i];
      const own = i && color === offered[0].color ? ui.data.other : color;
      return { key, i, title, name: names[i], color: readable(own), dash: i ? [6, 4] : [], run: runs[key] };
    });
  }
  // A method's colour where it would not stand out from the page, lightened or darkened.
  function readable(color) {
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16)),
      light = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    if (ui.theme.dark && light < 0.4) return mix([color, "#ffffff"], 0.4);
    return !ui.theme.dark && light > 0.65 ? mix([color, "#000000"], 0.3) : color;
  }

  take();
  return { settle, received, shown, end: () => end };
}

// The methods; where they are the same, the parts of the titles that differ; otherwise the titles.
function briefly(offered) {
  const labels = offered.map(({ label }) => label);
  if (new Set(labels).size === labels.length) return labels;
  const [a, b] = offered.map(({ parts }) => parts);
  const names = [a.filter((part) => !b.includes(part)), b.filter((part) => !a.includes(part))].map((p) => p.join(", "));
  return names[0] !== names[1] ? names : offered.map(({ title }) => title);
}
