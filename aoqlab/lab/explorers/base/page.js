// An explorer without a kernel, in an exported page. In JupyterLab, where a live one may be about to appear, it waits and
// lets that one go first.

import { GONE, mount } from "./mount.js";

const WAIT = 12; // half seconds for which an exported copy waits in JupyterLab for the live one

/**
 * @param {Record<string, any>} payload
 * @param {(ui: Ui) => View} explore
 */
export function asleep(payload, explore) {
  const el = /** @type {HTMLElement | null} */ (document.querySelector(`[data-aoq-page="${payload._page}"]`));
  if (!el) return;
  el.replaceChildren();
  const notebook = document.getElementById("jupyter-config-data") !== null;
  const alive = () => document.querySelector(`[data-aoq-live="${payload._page}"]`) !== null;
  /** @type {(() => void) | null} */
  let leave = null;
  let waited = 0;
  const look = () => {
    if (!el.isConnected && waited > 0) {
      leave?.();
      return clearInterval(timer);
    }
    waited += 1;
    if (alive()) {
      leave?.();
      leave = null;
    } else if (!leave && (!notebook || waited > WAIT)) {
      // What is in the place of the live one: "Error displaying widget: model not found".
      const before = el.closest(".jp-OutputArea-child")?.previousElementSibling;
      if (before instanceof HTMLElement && before.textContent?.includes("widget")) before.style.display = "none";
      leave = mount(el, frozen(payload), explore);
    }
  };
  const timer = setInterval(look, 500);
  look();
}

/** @returns {Model} */
const frozen = (payload) => ({
  get: (name) => payload[name],
  save() {},
  onchange: () => () => {},
  onlife: () => () => {},
  alive: () => false,
  ask: () => Promise.reject(new Error(GONE)),
});
