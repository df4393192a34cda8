// Numbers as text and as ticks.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// A number as the figures print it: significant digits, a true minus sign, powers of ten outside of 10⁻³ … 10⁵.
export function number(x, digits = 3) {
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

export const percent = (x) =>
  Number.isFinite(x) ? `${x > 0 && x < 0.001 ? number(100 * x, 2) : (100 * x).toFixed(x < 0.1 ? 2 : 1)}%` : "–";
export const short = (x) =>
  (Math.abs(x) >= 1e6
    ? `${+(x / 1e6).toPrecision(3)}M`
    : Math.abs(x) >= 1e3
      ? `${+(x / 1e3).toPrecision(3)}k`
      : `${+x.toPrecision(3)}`
  ).replace("-", "−");

// Round numbers that part [low, high] into about `count` steps.
export function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const raw = span / count,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5].map((m) => m * power).find((s) => s >= raw * 0.999) ?? 10 * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++)
    found.push(+(k * step).toPrecision(12));
  return found;
}
