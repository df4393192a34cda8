// Transition maps of the run explorer, all on one scale of colours, so that epochs and two runs compare.

import { mix } from "../base/colors.js";
import { short } from "../base/numbers.js";

// maps: [{ panel, counts, n, where }], counts[from * n + to]; low and high: the scale.
export function drawTransitions(maps, { low, high }, heat) {
  const span = Math.log(high / low);
  const at = (count) => (span > 0 ? Math.log(count / low) / span : 0.5),
    shade = (count) => mix(heat, at(count));
  for (const { panel, counts, n, where } of maps) {
    // Row: the code left, from the top; column: the code reached.
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
      bar: true,
    });
    const upside = Float32Array.from({ length: n * n }, (_, k) => counts[(n - 1 - Math.floor(k / n)) * n + (k % n)]);
    axes.heat(upside, n, n, (count) => (count > 0 ? shade(count) : null));
    if (high > 0) axes.colorbar({ low, high, log: true, shade, label: "transitions" });
    if ((axes.right - axes.left) / n > 32)
      counts.forEach((count, k) => {
        // numbers, where a cell has room for one
        const style = { align: "center", dy: 4, color: at(count) > 0.5 ? "#fff" : "#000", rim: "transparent" };
        if (count > 0) axes.text(short(count), centre(k % n), 1 - centre(Math.floor(k / n)), style);
      });
    const most = Math.max(...counts),
      top = counts.indexOf(most);
    panel.describe(
      `${where}: ${most > 0 ? `most often from code ${Math.floor(top / n)} to ${top % n}, ${short(most)} times` : "no weight was seen to change its code"}`,
    );
  }
}
