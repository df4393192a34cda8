// Transition maps of the run explorer, all on one scale of colours, so that epochs and two runs compare.

import { mix } from "../base/colors.js";
import { make, write } from "../base/elements.js";
import { short } from "../base/numbers.js";

const NO_TRANSITIONS = "Not kept: this run has no table of transitions.";

/** @param {Ui} ui */
export function transitionMaps(ui) {
  const panels = [0, 1].map(() => {
    const panel = ui.panel({ title: "transitions", height: 240 });
    panel.figure.style.flexBasis = ""; // as in style.css
    panel.missing = panel.figure.appendChild(make("p", { className: "missing", textContent: NO_TRANSITIONS }));
    return panel;
  });

  // `scale`: the lowest and highest count of the layer in any epoch of the runs.
  function draw(state, some, scale) {
    const known = some.some(({ run }) => run.counts),
      last = some.findLastIndex(({ run }) => run.counts);
    panels.forEach((panel, i) => {
      const one = some[i],
        counts = one?.run.counts,
        at = one && Math.min(state.epoch, one.run.epochs);
      panel.figure.hidden = known ? !one : i > 0;
      panel.figure.classList.toggle("words", !known);
      panel.missing.style.display = counts ? "none" : "";
      panel.canvas.style.display = counts ? "" : "none";
      const when = !counts ? "" : at ? ` in epoch ${at}` : ": none before epoch 1";
      const title = known && one ? `${one.name}, transitions${when}` : "transitions";
      write(panel.caption, title);
      if (!counts) return;
      drawMap(ui, panel, one.run.transitions(state.layer, at), one.run.codes, scale, i === last);
      panel.describe(`${one.title}, ${state.layer}, epoch ${at}: ${most(one.run.transitions(state.layer, at))}`);
    });
  }
  return { draw };
}

// Rows: the code left, from the top; columns: the code reached. Few moves are near the page's colour, many far from it.
function drawMap(ui, panel, counts, n, { low, high }, bar) {
  const colors = ui.theme.dark ? [...ui.data.heat].reverse() : ui.data.heat;
  const span = Math.log(high / low);
  const at = (count) => (span > 0 ? Math.log(count / low) / span : 0.5),
    shade = (count) => mix(colors, at(count)),
    bright = (count) => (ui.theme.dark ? at(count) > 0.5 : at(count) < 0.5);
  const centre = (k) => (k + 0.5) / n,
    places = [...Array(n).keys()].filter((k) => n <= 8 || k % (n / 8) === 0).map(centre);
  const axes = panel.axes({
    x: [0, 1],
    y: [0, 1],
    xlabel: "to code",
    ylabel: "from code",
    xticks: places,
    yticks: places.map((p) => 1 - p),
    xformat: (x) => `${Math.round(x * n - 0.5)}`,
    yformat: (y) => `${Math.round(n - 0.5 - y * n)}`,
    square: true,
    bar: true, // room for it in all maps, so that they are of one size
  });
  const upside = Float32Array.from({ length: n * n }, (_, k) => counts[(n - 1 - Math.floor(k / n)) * n + (k % n)]);
  axes.heat(upside, n, n, (count) => (count > 0 ? shade(count) : null));
  if (bar && high > 0) axes.colorbar({ low, high, log: true, shade, label: "transitions" });
  if ((axes.right - axes.left) / n <= 32) return; // no room for numbers
  counts.forEach((count, k) => {
    const style = { align: "center", dy: 4, color: bright(count) ? "#000" : "#fff", rim: "transparent" };
    if (count > 0) axes.text(short(count), centre(k % n), 1 - centre(Math.floor(k / n)), style);
  });
}
function most(counts) {
  const n = Math.sqrt(counts.length),
    high = Math.max(...counts),
    top = counts.indexOf(high);
  if (!(high > 0)) return "no weight was seen to change its code";
  return `most often from code ${Math.floor(top / n)} to ${top % n}, ${short(high)} times`;
}
