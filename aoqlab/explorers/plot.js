// Drawing on a canvas: colours of the theme, numbers as text, axes with ticks and the marks that stand in them.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// A number as the figures print it: significant digits, a true minus sign, powers of ten outside of 10⁻³ … 10⁵.
function number(x, digits = 3) {
  if (x === Infinity) return "∞";
  if (!Number.isFinite(x)) return x === -Infinity ? "−∞" : "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e-3 && size < 1e5) {
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
    return x.toFixed(Math.min(places, 12)).replace("-", "−");
  }
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const raised = [...String(Math.abs(power))].map((d) => SUPERSCRIPTS[d]).join("");
  return `${mantissa.replace("-", "−")}\u00a0×\u00a010${power < 0 ? "⁻" : ""}${raised}`;
}

const percent = (x) => (Number.isFinite(x) ? `${x > 0 && x < 0.001 ? number(100 * x, 2) : (100 * x).toFixed(x < 0.1 ? 2 : 1)}%` : "–");
const short = (x) => (Math.abs(x) >= 1e6 ? `${+(x / 1e6).toPrecision(3)}M` : Math.abs(x) >= 1e3 ? `${+(x / 1e3).toPrecision(3)}k` : `${+x.toPrecision(3)}`).replace("-", "−");

// Round numbers that part [low, high] into about `count` steps.
function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) found.push(+(k * step).toPrecision(12));
  return found;
}

function themeOf(el) {
  const style = getComputedStyle(el);
  const [fg, dim, bg, edge] = ["--fg", "--dim", "--bg", "--edge"].map((name) => style.getPropertyValue(name).trim());
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = bg;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  const dark = 0.2126 * r + 0.7152 * g + 0.0722 * b < 110;
  // Okabe and Ito's colours; the two darkest are lightened on a dark page.
  return { fg, dim, bg, edge, dark, font: style.fontFamily, blue: dark ? "#56B4E9" : "#0072B2", vermillion: "#D55E00",
    green: "#009E73", purple: "#CC79A7", sky: "#56B4E9", orange: "#E69F00", indigo: dark ? "#9f8fe0" : "#332288" };
}

// Colour at 0 … 1 of a list of "#rrggbb", evenly spaced.
function mix(colors, at) {
  const place = Math.min(Math.max(at, 0), 1) * (colors.length - 1), i = Math.min(Math.floor(place), colors.length - 2);
  if (colors.length < 2) return colors[0];
  const part = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${[0, 1, 2].map((k) => Math.round(part(colors[i], k) + (place - i) * (part(colors[i + 1], k) - part(colors[i], k))))})`;
}

// Axes on a cleared canvas. Options: x, y (limits), xlabel, ylabel, xformat, yformat, xticks, yticks (places), logx,
// logy, square. Marks take data coordinates and are cut at the frame.
class Axes {
  constructor(canvas, theme, { x, y, xlabel = "", ylabel = "", xformat, yformat, xticks, yticks, logx = false, logy = false, square = false }) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth || 300, height = canvas.clientHeight || 220;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const c = (this.c = canvas.getContext("2d"));
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    Object.assign(this, { theme, logx, logy });
    const limits = (pair, log) => {
      const [low, high] = log ? pair.map((v) => Math.log10(Math.max(v, 1e-300))) : pair;
      return high > low ? [low, high] : [low - 0.5, low + 0.5];
    };
    [this.x0, this.x1] = limits(x, logx);
    [this.y0, this.y1] = limits(y, logy);
    this.left = 50; this.top = 10; this.right = width - 10; this.bottom = height - (xlabel ? 38 : 22);
    if (square) {
      const side = Math.min(this.right - this.left, this.bottom - this.top);
      this.right = this.left + side;
      this.bottom = this.top + side;
    }
    this.#frame({ xlabel, ylabel, xformat, yformat, xticks, yticks });
  }
  X(x) { return this.left + (((this.logx ? Math.log10(x) : x) - this.x0) / (this.x1 - this.x0)) * (this.right - this.left); }
  Y(y) { return this.bottom - (((this.logy ? Math.log10(y) : y) - this.y0) / (this.y1 - this.y0)) * (this.bottom - this.top); }
  // Data coordinates of a place on the canvas, or null outside of the frame.
  at(px, py) {
    if (px < this.left || px > this.right || py < this.top || py > this.bottom) return null;
    const x = this.x0 + ((px - this.left) / (this.right - this.left)) * (this.x1 - this.x0);
    const y = this.y0 + ((this.bottom - py) / (this.bottom - this.top)) * (this.y1 - this.y0);
    return [this.logx ? 10 ** x : x, this.logy ? 10 ** y : y];
  }
  #places(low, high, log, count) {
    if (!log) return ticks(low, high, count);
    const powers = [];
    for (let k = Math.ceil(low - 1e-9); k <= high + 1e-9; k++) powers.push(10 ** k);
    return powers.length > 1 ? powers : ticks(10 ** low, 10 ** high, 4);
  }
  #frame({ xlabel, ylabel, xformat, yformat, xticks, yticks }) {
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
      c.fillText((xformat || short)(x), this.X(x), this.bottom + 6);
    }
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const y of yticks || this.#places(this.y0, this.y1, this.logy, Math.max(2, (this.bottom - this.top) / 45))) {
      c.fillRect(this.left - 4, this.Y(y) - 0.5, 4, 1);
      c.fillText((yformat || short)(y), this.left - 6, this.Y(y));
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
  // Draws inside of the frame with these settings and puts everything back.
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
  line(xs, ys, style) {
    this.within((c) => {
      for (let i = 0, down = false; i < xs.length; i++) {
        const px = this.X(xs[i]), py = this.Y(ys[i]);
        if (!Number.isFinite(px + py)) { down = false; continue; }
        if (down) c.lineTo(px, py); else c.moveTo(px, py);
        down = true;
      }
      c.stroke();
    }, style);
  }
  area(xs, low, high, style) {
    this.within((c) => {
      for (let i = 0; i < xs.length; i++) c.lineTo(this.X(xs[i]), this.Y(high[i]));
      for (let i = xs.length - 1; i >= 0; i--) c.lineTo(this.X(xs[i]), this.Y(low[i]));
      c.fill();
    }, style);
  }
  // heights[i] between edges[i] and edges[i + 1]; filled from 0, or with fill: false as an outline.
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
      if (fill) c.fill(); else c.stroke();
    }, style);
  }
  dots(xs, ys, { size = 3, ring = false, ...style } = {}) {
    this.within((c) => {
      for (let i = 0; i < xs.length; i++) {
        c.moveTo(this.X(xs[i]) + size, this.Y(ys[i]));
        c.arc(this.X(xs[i]), this.Y(ys[i]), size, 0, 7);
      }
      if (ring) c.stroke(); else c.fill();
    }, style);
  }
  vlines(xs, style) {
    this.within((c) => { for (const x of xs) { c.moveTo(this.X(x), this.top); c.lineTo(this.X(x), this.bottom); } c.stroke(); }, style);
  }
  hlines(ys, style) {
    this.within((c) => { for (const y of ys) { c.moveTo(this.left, this.Y(y)); c.lineTo(this.right, this.Y(y)); } c.stroke(); }, style);
  }
  // Triangles that point down, at the upper edge of the frame; small ones are plain marks, for there may be hundreds.
  markers(xs, colors, size = 5) {
    this.within((c) => {
      c.strokeStyle = this.theme.fg;
      c.lineWidth = 0.7;
      for (let i = 0; i < xs.length; i++) {
        const px = this.X(xs[i]), py = this.top + 1;
        c.fillStyle = colors[i];
        if (size <= 2) { c.fillRect(px - size / 2, py, size, 3 * size); continue; }
        c.beginPath();
        c.moveTo(px - size, py); c.lineTo(px + size, py); c.lineTo(px, py + 1.7 * size); c.closePath();
        c.fill();
        if (size > 3) c.stroke();
      }
    });
  }
  // values[row * columns + column], row 0 at the bottom, over the whole frame; color(value) → CSS colour.
  heat(values, columns, rows, color) {
    this.within((c) => {
      const w = (this.right - this.left) / columns, h = (this.bottom - this.top) / rows;
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
        c.fillStyle = color(values[row * columns + column]);
        c.fillRect(this.left + column * w, this.bottom - (row + 1) * h, w + 0.5, h + 0.5);
      }
    });
  }
  // dx, dy: pixels from the place; align: as of a canvas.
  text(words, x, y, { align = "left", dx = 0, dy = 0, color = this.theme.fg, size = 11 } = {}) {
    const { c } = this;
    c.save();
    c.font = `${size}px ${this.theme.font}`;
    c.textAlign = align;
    c.textBaseline = "alphabetic";
    c.strokeStyle = this.theme.bg; // a rim, so that it reads on whatever lies under it
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeText(words, this.X(x) + dx, this.Y(y) + dy);
    c.fillStyle = color;
    c.fillText(words, this.X(x) + dx, this.Y(y) + dy);
    c.restore();
  }
  // [[words, color, dash], ...] in a corner of the frame: "left" or "right", at the top.
  legend(entries, side = "left") {
    const { c, theme } = this;
    c.save();
    c.font = `11px ${theme.font}`;
    const wide = Math.max(...entries.map(([words]) => c.measureText(words).width)) + 26;
    const from = side === "left" ? this.left + 6 : this.right - wide - 6;
    c.textAlign = "left";
    c.textBaseline = "alphabetic";
    c.globalAlpha = 0.85;
    c.fillStyle = theme.bg;
    c.fillRect(from - 2, this.top + 12, wide + 4, 15 * entries.length + 4);
    c.globalAlpha = 1;
    entries.forEach(([words, color, dash = []], i) => {
      const py = this.top + 22 + 15 * i;
      c.strokeStyle = color;
      c.lineWidth = 2;
      c.setLineDash(dash);
      c.beginPath(); c.moveTo(from, py); c.lineTo(from + 18, py); c.stroke();
      c.fillStyle = theme.fg;
      c.fillText(words, from + 23, py + 4);
    });
    c.restore();
  }
}
