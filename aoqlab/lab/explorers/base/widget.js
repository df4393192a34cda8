// A live explorer: a widget of a notebook, connected to its kernel. Questions carry a number, and so do their answers.

import { GONE, mount } from "./mount.js";

/**
 * @param {any} model
 * @param {HTMLElement} el
 * @param {(ui: Ui) => View} explore
 */
export function live(model, el, explore) {
  const waiting = new Map();
  let count = 0,
    here = true,
    tell = () => {};
  const heard = (message, buffers) => {
    if (!here) {
      here = true;
      tell();
    }
    const own = waiting.get(message?.number);
    if (!own) return;
    waiting.delete(message.number);
    if (message.error !== undefined) own.reject(new Error(message.error));
    else
      own.resolve(
        Object.assign({}, message.answer, Object.fromEntries(message.names.map((name, i) => [name, buffers[i]]))),
      );
  };
  // The connection was lost or came back; the event does not say which, but only a kernel answers.
  const lost = () => {
    here = false;
    for (const own of waiting.values()) own.reject(new Error(GONE));
    waiting.clear();
    tell();
    try {
      model.send({ ask: "presence", state: { ...model.get("state") } });
    } catch {
      /* no connection at all */
    }
  };
  model.on("msg:custom", heard);
  model.on("comm_live_update", lost);
  el.dataset.aoqLive = model.get("_page");
  const connection = {
    get: (name) => model.get(name),
    save(state) {
      if (here) {
        model.set("state", state);
        model.save_changes();
      }
    },
    onchange(name, act) {
      const changed = () => act(model.get(name));
      model.on(`change:${name}`, changed);
      return () => model.off(`change:${name}`, changed);
    },
    onlife(act) {
      tell = act;
      return () => {
        tell = () => {};
      };
    },
    alive: () => here,
    ask: (ask, state, payload) =>
      new Promise((resolve, reject) => {
        const number = `${model.get("_page")}-${Math.random()}-${++count}`;
        waiting.set(number, { resolve, reject });
        model.send({ number, ask, state, payload });
      }),
  };
  const leave = mount(el, connection, explore);
  return () => {
    model.off("msg:custom", heard);
    model.off("comm_live_update", lost);
    leave();
  };
}
