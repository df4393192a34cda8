// Drawing on a canvas: axes with ticks, the marks in them, and a scale of colours.

import { short, ticks } from "./numbers.js";

// Axes on a cleared canvas. Options: x, y (limits), xlabel, ylabel, xformat, yformat, xticks, yticks (places), logx,
// logy, square, bar (whether there is room for a colorbar). Marks take data coordinates and are cut at the frame.
export class Axes {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Theme} theme
   * @param {AxesOptions} options
   */
  constructor(canvas, theme, options) {
    const { logx = false, logy = false, square = false, bar = false } = options;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth || 300,
      height = canvas.clientHeight || 220;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.c.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.c.clearRect(0, 0, width, height);
    this.theme = theme;
    this.logx = logx;
    this.logy = logy;
    const limits = (pair, log) => {
      const [low, high] = log ? pair.map((v) => Math.log10(Math.max(v, 1e-300))) : pair;
      return high > low ? [low, high] : [low - 0.5, low + 0.5];
    };
    const [x0, x1] = limits(options.x, logx);
    const [y0, y1] = limits(options.y, logy);
    this.x0 = x0;
    this.x1 = x1;
    this.y0 = y0;
    this.y1 = y1;
    this.top = 10;
    this.right = width - (bar ? 70 : 10);
    this.bottom = height - (options.xlabel ? 38 : 22);
    const { yformat = short, yticks = this.#places(y0, y1, logy, Math.max(2, (this.bottom - this.top) / 45)) } =
      options;
    this.c.font = `11px ${theme.font}`;
    // No tick's words reach into the label of the axis; in steps, so that the frame seldom moves with a slider.
    const wide = Math.max(0, ...yticks.map((y) => this.c.measureText(yformat(y)).width));
    this.left = Math.max(50, 10 * Math.ceil((22 + wide) / 10));
    if (square) {
      const side = Math.min(this.right - this.left, this.bottom - this.top);
      this.right = this.left + side;
      this.bottom = this.top + side;
    }
    this.#frame({ ...options, yformat, yticks });
  }
  X(x) {
    return this.left + (((this.logx ? Math.log10(x) : x) - this.x0) / (this.x1 - this.x0)) * (this.right - this.left);
  }
  Y(y) {
    return this.bottom - (((this.logy ? Math.log10(y) : y) - this.y0) / (this.y1 - this.y0)) * (this.bottom - this.top);
  }
  /**
   * Data coordinates of a place on the canvas, or null outside of the frame.
   * @returns {[number, number] | null}
   */
  at(px, py) {
    if (px < this.left || px > this.right || py < this.top || py > this.bottom) return null;
    const x = this.x0 + ((px - this.left) / (this.right - this.left)) * (this.x1 - this.x0);
    const y = this.y0 + ((this.bottom - py) / (this.bottom - this.top)) * (this.y1 - this.y0);
    return [this.logx ? 10 ** x : x, this.logy ? 10 ** y : y];
  }
  #places(low, high, log, count) {
    if (!log) return ticks(low, high, count);
    const found = [];
    for (let k = Math.floor(low); k <= high; k++) found.push(...[1, 2, 5].map((m) => m * 10 ** k));
    const inside = found.filter((v) => Math.log10(v) > low - 1e-9 && Math.log10(v) < high + 1e-9);
    const powers = inside.filter((v) => Number.isInteger(+Math.log10(v).toFixed(9)));
    return powers.length > 2 ? powers : inside.length > 1 ? inside : ticks(10 ** low, 10 ** high, 4);
  }
  /** @param {AxesOptions} options */
  #frame({ xlabel, ylabel, xformat = short, yformat = short, xticks, yticks }) {
    const { c, theme } = this;
    c.font = `11px ${theme.font}`;
    c.fillStyle = theme.dim;
    c.strokeStyle = theme.edge;
    c.lineWidth = 1;
    c.strokeRect(this.left + 0.5, this.top + 0.5, this.right - this.left, this.bottom - this.top);
    c.textAlign = "center";
    c.textBaseline = "top";
    const many = Math.max(2, Math.min(6, (this.right - this.left) / 60));
    for (const x of xticks || this.#places(this.x0, this.x1, this.logx, many)) {
      c.fillRect(this.X(x) - 0.5, this.bottom, 1, 4);
      c.fillText(xformat(x), this.X(x), this.bottom + 6);
    }
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const y of yticks ?? []) {
      c.fillRect(this.left - 4, this.Y(y) - 0.5, 4, 1);
      c.fillText(yformat(y), this.left - 6, this.Y(y));
    }
    c.fillStyle = theme.fg;
    c.textAlign = "center";
    c.textBaseline = "alphabetic";
    if (xlabel) c.fillText(xlabel, (this.left + this.right) / 2, this.bottom + 33);
    if (ylabel) {
      c.save();
      c.translate(11, (this.top + this.bottom) / 2);
      c.rotate(-Math.PI / 2);
      c.fillText(ylabel, 0, 0);
      c.restore();
    }
  }
  /**
   * Draws inside of the frame with these settings and puts everything back.
   * @param {(c: CanvasRenderingContext2D) => void} draw
   * @param {Style} [style]
   */
  within(draw, { color = this.theme.fg, width = 1.2, dash = [], alpha = 1 } = {}) {
    const { c } = this;
    c.save();
    c.beginPath();
    c.rect(this.left, this.top, this.right - this.left, this.bottom - this.top);
    c.clip();
    c.strokeStyle = c.fillStyle = color;
    c.lineWidth = width;
    c.globalAlpha = alpha;
    c.setLineDash(dash);
    c.beginPath();
    draw(c);
    c.restore();
  }
  /** @param {Style} [style] */
  line(xs, ys, style) {
    this.within((c) => {
      for (let i = 0, down = false; i < xs.length; i++) {
        const px = this.X(xs[i]),
          py = this.Y(ys[i]);
        if (!Number.isFinite(px + py)) {
          down = false;
          continue;
        }
        if (down) c.lineTo(px, py);
        else c.moveTo(px, py);
        down = true;
      }
      c.stroke();
    }, style);
  }
  /** @param {Style} [style] */
  area(xs, low, high, style) {
    this.within((c) => {
      for (let i = 0; i < xs.length; i++) c.lineTo(this.X(xs[i]), this.Y(high[i]));
      for (let i = xs.length - 1; i >= 0; i--) c.lineTo(this.X(xs[i]), this.Y(low[i]));
      c.fill();
    }, style);
  }
  /**
   * heights[i] between edges[i] and edges[i + 1]; filled from 0, or with fill: false as an outline.
   * @param {Numbers} edges
   * @param {Numbers} heights
   * @param {Style & { fill?: boolean }} [style]
   */
  stairs(edges, heights, { fill = true, ...style } = {}) {
    this.within((c) => {
      const floor = this.logy ? this.bottom : this.Y(0);
      c.moveTo(this.X(edges[0]), floor);
      for (let i = 0; i < heights.length; i++) {
        const py = this.logy && !(heights[i] > 0) ? this.bottom : this.Y(heights[i]);
        c.lineTo(this.X(edges[i]), py);
        c.lineTo(this.X(edges[i + 1]), py);
      }
      c.lineTo(this.X(edges[heights.length]), floor);
      if (fill) c.fill();
      else c.stroke();
    }, style);
  }
  /**
   * @param {Numbers} xs
   * @param {Numbers} ys
   * @param {Style & { size?: number, ring?: boolean }} [style]
   */
  dots(xs, ys, { size = 3, ring = false, ...style } = {}) {
    this.within((c) => {
      for (let i = 0; i < xs.length; i++) {
        c.moveTo(this.X(xs[i]) + size, this.Y(ys[i]));
        c.arc(this.X(xs[i]), this.Y(ys[i]), size, 0, 7);
      }
      if (ring) c.stroke();
      else c.fill();
    }, style);
  }
  /**
   * @param {Numbers} xs
   * @param {Style} [style]
   */
  vlines(xs, style) {
    this.within((c) => {
      for (const x of xs) {
        c.moveTo(this.X(x), this.top);
        c.lineTo(this.X(x), this.bottom);
      }
      c.stroke();
    }, style);
  }
  /**
   * @param {Numbers} ys
   * @param {Style} [style]
   */
  hlines(ys, style) {
    this.within((c) => {
      for (const y of ys) {
        c.moveTo(this.left, this.Y(y));
        c.lineTo(this.right, this.Y(y));
      }
      c.stroke();
    }, style);
  }
  // Triangles that point down, at the upper edge of the frame; small ones are plain marks, for there may be hundreds.
  markers(xs, colors, size = 5) {
    this.within((c) => {
      c.strokeStyle = this.theme.fg;
      c.lineWidth = 0.7;
      for (let i = 0; i < xs.length; i++) {
        const px = this.X(xs[i]),
          py = this.top + 1;
        c.fillStyle = colors[i];
        if (size <= 2) {
          c.fillRect(px - size / 2, py, size, 3 * size);
          continue;
        }
        c.beginPath();
        c.moveTo(px - size, py);
        c.lineTo(px + size, py);
        c.lineTo(px, py + 1.7 * size);
        c.closePath();
        c.fill();
        if (size > 3) c.stroke();
      }
    });
  }
  // values[row * columns + column], row 0 at the bottom, over the whole frame; color(value) → CSS colour or null.
  heat(values, columns, rows, color) {
    this.within((c) => {
      const w = (this.right - this.left) / columns,
        h = (this.bottom - this.top) / rows;
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          const fill = color(values[row * columns + column]);
          if (!fill) continue;
          c.fillStyle = fill;
          c.fillRect(this.left + column * w, this.bottom - (row + 1) * h, w + 0.5, h + 0.5);
        }
    });
  }
  /**
   * The scale of colours of a heat map, at the right of the frame of axes with `bar`; shade(value) → CSS colour.
   * @param {Scale} scale
   */
  colorbar({ low, high, log = false, label, shade }) {
    const { c, theme } = this,
      left = this.right + 10,
      tall = this.bottom - this.top,
      slices = 64;
    let [from, to] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    if (!(to > from)) [from, to] = [from - 0.5, to + 0.5];
    const value = (place) => (log ? 10 ** place : place);
    c.save();
    for (let i = 0; i < slices; i++) {
      c.fillStyle = shade(value(from + ((i + 0.5) / slices) * (to - from)));
      c.fillRect(left, this.bottom - ((i + 1) / slices) * tall, 10, tall / slices + 0.5);
    }
    c.strokeStyle = theme.edge;
    c.strokeRect(left + 0.5, this.top + 0.5, 9, tall);
    c.font = `11px ${theme.font}`;
    c.textAlign = "left";
    c.textBaseline = "middle";
    let wide = 0;
    for (const tick of this.#places(from, to, log, Math.max(2, tall / 45))) {
      const y = this.bottom - (((log ? Math.log10(tick) : tick) - from) / (to - from)) * tall,
        words = short(tick);
      c.fillStyle = theme.dim;
      c.fillRect(left + 10, y - 0.5, 3, 1);
      c.fillText(words, left + 15, y);
      wide = Math.max(wide, c.measureText(words).width);
    }
    c.fillStyle = theme.fg;
    c.textAlign = "center";
    c.translate(left + 23 + wide, (this.top + this.bottom) / 2);
    c.rotate(-Math.PI / 2);
    c.fillText(label, 0, 0);
    c.restore();
  }
  /**
   * dx, dy: pixels from the place; rim: around the letters, so that they are legible on what is below.
   * @param {{ align?: CanvasTextAlign, dx?: number, dy?: number, color?: string, size?: number, rim?: string }} [style]
   */
  text(words, x, y, style = {}) {
    const { align = "left", dx = 0, dy = 0, color = this.theme.fg, size = 11, rim = this.theme.bg } = style;
    const { c } = this;
    c.save();
    c.font = `${size}px ${this.theme.font}`;
    c.textAlign = align;
    c.textBaseline = "alphabetic";
    c.strokeStyle = rim;
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeText(words, this.X(x) + dx, this.Y(y) + dy);
    c.fillStyle = color;
    c.fillText(words, this.X(x) + dx, this.Y(y) + dy);
    c.restore();
  }
  /**
   * In a corner of the frame, at the top, dy pixels further down.
   * @param {LegendEntry[]} entries
   * @param {"left" | "right"} side
   */
  legend(entries, side = "left", dy = 0) {
    const { c, theme } = this;
    c.save();
    c.font = `11px ${theme.font}`;
    const wide = Math.max(...entries.map(([words]) => c.measureText(words).width)) + 26;
    const from = side === "left" ? this.left + 6 : this.right - wide - 6;
    c.textAlign = "left";
    c.textBaseline = "alphabetic";
    c.globalAlpha = 0.85;
    c.fillStyle = theme.bg;
    c.fillRect(from - 2, this.top + dy + 12, wide + 4, 15 * entries.length + 4);
    c.globalAlpha = 1;
    entries.forEach(([words, color, dash = []], i) => {
      const py = this.top + dy + 22 + 15 * i;
      c.strokeStyle = color;
      c.lineWidth = 2;
      c.setLineDash(dash);
      c.beginPath();
      c.moveTo(from, py);
      c.lineTo(from + 18, py);
      c.stroke();
      c.fillStyle = theme.fg;
      c.fillText(words, from + 23, py + 4);
    });
    c.restore();
  }
}
