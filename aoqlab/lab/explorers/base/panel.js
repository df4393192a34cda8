// A canvas with a caption, and the rows of numbers below all canvases.

import { make, write } from "./elements.js";
import { Axes } from "./plot.js";

/**
 * @param {{ title: string, height?: number, grow?: number }} options
 * @param {() => Theme} theme
 * @returns {Panel}
 */
export function panelOf({ title, height = 230, grow = 1 }, theme) {
  const canvas = make("canvas");
  canvas.style.height = `${height}px`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  const caption = make("figcaption", { textContent: title });
  const figure = make("figure", {}, caption, canvas);
  figure.style.flexGrow = String(grow);
  figure.style.flexBasis = `${Math.round(240 * grow)}px`;
  /** @type {Axes | null} */
  let last = null;
  return {
    canvas,
    figure,
    caption,
    axes(options) {
      last = new Axes(canvas, theme(), options);
      return last;
    },
    describe: (words) => canvas.setAttribute("aria-label", `${title}: ${words}`),
    // Data coordinates of every click.
    onpoint(act) {
      canvas.addEventListener("click", (event) => {
        const place = last?.at(event.offsetX, event.offsetY);
        if (place) act(place[0], place[1]);
      });
      canvas.style.cursor = "crosshair";
    },
  };
}

// Rows are made once and their texts replaced, which is what sliding costs.
export function readoutsIn(list) {
  const rows = [];
  /** @param {Readout[]} entries */
  return (entries) => {
    while (rows.length > entries.length) rows.pop().box.remove();
    entries.forEach(({ label, value, note = "" }, i) => {
      if (!rows[i]) {
        const parts = { label: make("dt"), value: make("b"), note: make("small") };
        const box = make("div", {}, parts.label, make("dd", {}, parts.value, " ", parts.note));
        list.append(box);
        rows.push({ ...parts, box });
      }
      write(rows[i].label, label);
      write(rows[i].value, value);
      write(rows[i].note, note);
    });
  };
}
