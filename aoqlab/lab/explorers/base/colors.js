// Colours of the page's theme, and of scales.

/** @returns {Theme} */
export function themeOf(el) {
  const style = getComputedStyle(el);
  const [fg, dim, bg, edge] = ["--fg", "--dim", "--bg", "--edge"].map((name) => style.getPropertyValue(name).trim());
  const probe = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
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
    purple: "#CC79A7",
  };
}

// Calls `act` whenever the theme of the page changes; the returned function ends that.
export function watchTheme(act) {
  const themes = new MutationObserver(() => setTimeout(act, 50)); // the style sheet arrives after its name
  const attributeFilter = ["data-jp-theme-light", "data-jp-theme-name", "class"];
  themes.observe(document.body, { attributes: true, attributeFilter });
  themes.observe(document.documentElement, { attributes: true });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", act);
  return () => {
    themes.disconnect();
    scheme.removeEventListener("change", act);
  };
}

// Colour at 0 … 1 of a list of "#rrggbb", evenly spaced.
export function mix(colors, at) {
  const place = Math.min(Math.max(at, 0), 1) * (colors.length - 1),
    i = Math.min(Math.floor(place), colors.length - 2);
  if (colors.length < 2) return colors[0];
  const part = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${[0, 1, 2].map((k) => Math.round(part(colors[i], k) + (place - i) * (part(colors[i + 1], k) - part(colors[i], k))))})`;
}
