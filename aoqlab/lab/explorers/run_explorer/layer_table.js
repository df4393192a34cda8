// The run explorer's table: all layers of one or two runs at an epoch, sortable by every column.

import { make, write } from "../base/elements.js";
import { number, percent } from "../base/numbers.js";

const QUANTITIES = [
  { name: "oscillating", words: "oscillating", format: percent },
  { name: "rate", words: "crossings", format: (v) => number(1000 * v) },
  { name: "intervals", words: "step size", format: (v) => number(v) },
];

// Headers sort, a layer's button chooses it. state.sort: "-" or "+" and "<quantity> <which run>".
/** @param {Ui} ui */
export function layerTable(ui) {
  const box = make("div", { className: "layers" }),
    about = make("p", { className: "about" }),
    grid = make("table");
  grid.setAttribute("aria-label", "all layers");
  box.append(grid);
  ui.el.append(about, box);
  /** @type {any} */
  let table = { key: "" };

  function draw(state, all) {
    const layers = [...new Set(all.flatMap(({ run }) => run.layers))],
      key = JSON.stringify([all.map((one) => [one.key, one.title]), layers]);
    about.hidden = box.hidden = !layers.length;
    if (!layers.length) return;
    if (table.key !== key) {
      table = { key, order: "", ...built(ui, all, layers) };
      grid.replaceChildren(table.head, table.whole, table.body);
    }
    write(
      about,
      `All layers at epoch ${state.epoch}, crossings per weight and 1000 steps. Headers sort; a layer's name chooses it.`,
    );
    table.lines.forEach((line, k) => {
      if (line.style.borderColor !== all[k].color) line.style.borderColor = all[k].color;
    });
    const sort = sortOf(table, state),
      by = sort.slice(1),
      sign = sort[0] === "-" ? -1 : 1;
    const values = Object.fromEntries(layers.map((layer) => [layer, writeRow(table.rows[layer], layer, state, all)]));
    markHeaders(table.headers, by, sign);
    const sorted = layers.filter((layer) => layer !== ui.data.whole);
    arrange(
      box,
      table,
      sorted.sort((a, b) => compare(values[a][by], values[b][by], sign)),
    );
  }
  return { draw };
}

const sortOf = ({ headers }, state) => (headers[state.sort.slice(1)] ? state.sort : "-oscillating 0");

// The table of these runs and layers, without its numbers.
function built(ui, all, layers) {
  const headers = {},
    lines = [];
  const header = (key, words, spoken, className) => {
    const button = make("button", { type: "button" }),
      cell = make("th", { scope: "col", className }, button);
    button.setAttribute("aria-label", `Sort by ${spoken}`);
    button.addEventListener("click", () => {
      const old = sortOf({ headers }, ui.state),
        first = key === "layer" ? "+" : "-";
      ui.set({ sort: old === first + key ? (first === "+" ? "-" : "+") + key : first + key });
    });
    headers[key] = { cell, button, words };
    return cell;
  };
  const top = make("tr", {}, make("th", { colSpan: 2 })),
    names = make(
      "tr",
      {},
      header("layer", "layer", "layer", ""),
      header("weights", "weights", "number of weights", ""),
    );
  all.forEach(({ title, i }, k) => {
    lines.push(make("span", { className: i ? "key dashed" : "key" }));
    top.append(make("th", { scope: "colgroup", colSpan: 3, className: "run" }, lines[k], title));
    QUANTITIES.forEach(({ name, words }, j) => {
      names.append(header(`${name} ${k}`, words, `${words}, ${title}`, j ? "" : "run"));
    });
  });
  const rows = Object.fromEntries(layers.map((layer) => [layer, emptyRow(ui, layer, all.length)]));
  const whole = make("tbody", { className: "whole" }, rows[ui.data.whole].row);
  return { head: make("thead", {}, top, names), whole, body: make("tbody"), headers, lines, rows };
}
function emptyRow(ui, layer, runs) {
  const button = make("button", { type: "button", textContent: layer }),
    cells = { weights: make("td") },
    row = make("tr", {}, make("th", { scope: "row" }, button), cells.weights);
  button.addEventListener("click", () => ui.set({ layer }));
  for (let k = 0; k < runs; k++)
    QUANTITIES.forEach(({ name }, j) => {
      cells[`${name} ${k}`] = make("td", { className: j ? "" : "run" });
      row.append(cells[`${name} ${k}`]);
    });
  return { row, button, cells };
}

// Writes a layer's numbers; returns them by header.
function writeRow({ row, button, cells }, layer, state, all) {
  const { run: owner } = all.find(({ run }) => layer in run.at),
    values = { layer, weights: owner.weights[owner.at[layer]] };
  write(cells.weights, values.weights.toLocaleString("en"));
  all.forEach(({ run }, k) => {
    for (const { name, format } of QUANTITIES) {
      const value = layer in run.at ? run.value(name, layer, state.epoch) : NaN;
      values[`${name} ${k}`] = value;
      write(cells[`${name} ${k}`], format(value));
    }
  });
  const chosen = layer === state.layer;
  if (row.classList.contains("chosen") !== chosen || !button.hasAttribute("aria-pressed")) {
    row.classList.toggle("chosen", chosen);
    button.setAttribute("aria-pressed", String(chosen));
  }
  return values;
}
function markHeaders(headers, by, sign) {
  for (const [name, { cell, button, words }] of Object.entries(headers)) {
    const now = name === by ? (sign < 0 ? "descending" : "ascending") : null;
    if (cell.getAttribute("aria-sort") !== now) {
      if (now) cell.setAttribute("aria-sort", now);
      else cell.removeAttribute("aria-sort");
    }
    write(button, words + (now ? (sign < 0 ? " ▼" : " ▲") : ""));
  }
}
// Unknown numbers go last either way.
function compare(a, b, sign) {
  if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
  return Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : sign * (a - b);
}
function arrange(box, table, sorted) {
  if (table.order === sorted.join()) return;
  table.order = sorted.join();
  const active = document.activeElement,
    { scrollTop } = box;
  table.body.append(...sorted.map((layer) => table.rows[layer].row));
  // Moving a row takes the focus away.
  if (active instanceof HTMLElement && box.contains(active)) active.focus({ preventScroll: true });
  box.scrollTop = scrollTop;
}
