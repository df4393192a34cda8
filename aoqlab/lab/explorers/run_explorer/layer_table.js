// The run explorer's table: all layers of one or two runs at an epoch, sortable by every column.

import { make } from "../base/elements.js";
import { number, percent } from "../base/numbers.js";

const QUANTITIES = [
  ["oscillating", "oscillating"],
  ["rate", "crossings"],
  ["intervals", "step size"],
];

// Headers sort, a layer's button chooses it. state.sort: "-" or "+" and "<quantity> <which run>".
export function layerTable(ui) {
  const { data } = ui,
    box = make("div", { className: "layers" });
  const about = make("p", { className: "about" }),
    grid = make("table");
  grid.setAttribute("aria-label", "all layers");
  const top = make("tr"),
    names = make("tr"),
    whole = make("tbody", { className: "whole" }),
    body = make("tbody");
  grid.append(make("thead", {}, top, names), whole, body);
  box.append(grid);
  ui.el.append(about, box);
  let built = "",
    order = "",
    rows = {},
    headers = {};

  const written = { oscillating: percent, rate: (v) => number(1000 * v), intervals: (v) => number(v) };
  const keyOf = (state) => (headers[state.sort.slice(1)] ? state.sort : "-oscillating 0");

  function header(key, words, spoken, className) {
    const button = make("button", { type: "button" }),
      cell = make("th", { scope: "col", className }, button);
    button.setAttribute("aria-label", `Sort by ${spoken}`);
    button.addEventListener("click", () => {
      const old = keyOf(ui.state),
        first = key === "layer" ? "+" : "-";
      ui.set({ sort: old === first + key ? (first === "+" ? "-" : "+") + key : first + key });
    });
    headers[key] = { cell, button, words };
    return cell;
  }
  function build(all, layers) {
    headers = {};
    rows = {};
    top.replaceChildren(make("th", { colSpan: 2 }));
    names.replaceChildren(header("layer", "layer", "layer", ""), header("weights", "weights", "number of weights", ""));
    all.forEach(({ title, i }, k) => {
      top.append(
        make(
          "th",
          { scope: "colgroup", colSpan: 3, className: "run" },
          make("span", { className: i ? "key dashed" : "key" }),
          title,
        ),
      );
      QUANTITIES.forEach(([name, words], j) =>
        names.append(header(`${name} ${k}`, words, `${words}, ${title}`, j ? "" : "run")),
      );
    });
    for (const layer of layers) {
      const button = make("button", { type: "button", textContent: layer }),
        cells = {},
        row = make("tr", {}, make("th", { scope: "row" }, button));
      button.addEventListener("click", () => ui.set({ layer }));
      row.append((cells.weights = make("td")));
      all.forEach((_, k) =>
        QUANTITIES.forEach(([name], j) =>
          row.append((cells[`${name} ${k}`] = make("td", { className: j ? "" : "run" }))),
        ),
      );
      rows[layer] = { row, button, cells };
    }
    whole.replaceChildren(rows[data.whole].row);
    body.replaceChildren();
    order = "";
  }

  function draw(state, all) {
    const layers = [...new Set(all.flatMap(({ run }) => run.layers))],
      key = JSON.stringify([all.map((one) => one.key), layers]);
    if (!layers.length) return;
    if (built !== key) {
      build(all, layers);
      built = key;
    }
    all.forEach(({ color }, k) => {
      const line = top.children[k + 1].firstChild;
      if (line.style.borderColor !== color) line.style.borderColor = color;
    });
    const words = `All layers at epoch ${state.epoch}, crossings per weight and 1000 steps. Headers sort; a layer's name chooses it.`;
    if (about.textContent !== words) about.textContent = words;
    const sort = keyOf(state),
      by = sort.slice(1),
      sign = sort[0] === "-" ? -1 : 1,
      values = {};
    for (const layer of layers) {
      const { row, button, cells } = rows[layer],
        found = (values[layer] = { layer });
      put(cells.weights, (found.weights = size(all, layer)), (n) => n.toLocaleString("en"));
      all.forEach(({ run }, k) =>
        QUANTITIES.forEach(([name]) => {
          const value = (found[`${name} ${k}`] = layer in run.at ? run.value(name, layer, state.epoch) : NaN);
          put(cells[`${name} ${k}`], value, written[name]);
        }),
      );
      const chosen = layer === state.layer;
      if (row.classList.contains("chosen") !== chosen || !button.hasAttribute("aria-pressed")) {
        row.classList.toggle("chosen", chosen);
        button.setAttribute("aria-pressed", chosen);
      }
    }
    for (const [name, { cell, button, words: label }] of Object.entries(headers)) {
      const now = name === by ? (sign < 0 ? "descending" : "ascending") : null;
      if (cell.getAttribute("aria-sort") !== now)
        if (now) cell.setAttribute("aria-sort", now);
        else cell.removeAttribute("aria-sort");
      const text = label + (now ? (sign < 0 ? " ▼" : " ▲") : "");
      if (button.textContent !== text) button.textContent = text;
    }
    arrange(layers.filter((layer) => layer !== data.whole).sort((a, b) => compare(values[a][by], values[b][by], sign)));
  }
  function size(all, layer) {
    const { run } = all.find((one) => layer in one.run.at);
    return run.weights[run.at[layer]];
  }
  // Unknown numbers go last either way.
  function compare(a, b, sign) {
    if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
    return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a - b);
  }
  function arrange(sorted) {
    if (order === sorted.join()) return;
    order = sorted.join();
    const focused = box.contains(document.activeElement) ? document.activeElement : null,
      { scrollTop } = box;
    body.append(...sorted.map((layer) => rows[layer].row));
    focused?.focus({ preventScroll: true }); // moving a row takes the focus away
    box.scrollTop = scrollTop;
  }
  const put = (cell, value, format) => {
    const text = format(value);
    if (cell.textContent !== text) cell.textContent = text;
  };
  return { draw };
}
