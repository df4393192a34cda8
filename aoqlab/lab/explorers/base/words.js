// Numbers as text and as ticks, colours of the theme and of scales.

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

const percent = (x) =>
  Number.isFinite(x) ? `${x > 0 && x < 0.001 ? number(100 * x, 2) : (100 * x).toFixed(x < 0.1 ? 2 : 1)}%` : "–";
const short = (x) =>
  (Math.abs(x) >= 1e6
    ? `${+(x / 1e6).toPrecision(3)}M`
    : Math.abs(x) >= 1e3
      ? `${+(x / 1e3).toPrecision(3)}k`
      : `${+x.toPrecision(3)}`
  ).replace("-", "−");

// Round numbers that part [low, high] into about `count` steps.
function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const raw = span / count,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++)
    found.push(+(k * step).toPrecision(12));
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
  return {
    fg,
    dim,
    bg,
    edge,
    dark,
    font: style.fontFamily,
    blue: dark ? "#56B4E9" : "#0072B2",
    vermillion: "#D55E00",
    green: "#009E73",
    purple: "#CC79A7",
    sky: "#56B4E9",
    orange: "#E69F00",
    indigo: dark ? "#9f8fe0" : "#332288",
  };
}

// Colour at 0 … 1 of a list of "#rrggbb", evenly spaced.
function mix(colors, at) {
  const place = Math.min(Math.max(at, 0), 1) * (colors.length - 1),
    i = Math.min(Math.floor(place), colors.length - 2);
  if (colors.length < 2) return colors[0];
  const part = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${[0, 1, 2].map((k) => Math.round(part(colors[i], k) + (place - i) * (part(colors[i + 1], k) - part(colors[i], k))))})`;
}
