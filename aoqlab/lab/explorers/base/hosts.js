// Export, and the two hosts of an explorer: a live widget, and a page without a kernel.

const WAIT = 12; // half seconds for which an exported copy waits in JupyterLab for the live one

// The row with the file's name and Export; asks before it replaces a file.
function exporter(ui, propose, model) {
  const id = `aoq-${model.get("_page")}-${names++}`;
  const name = make("input", { type: "text", id, spellcheck: false });
  const save = make("button", { type: "button", textContent: "Export" });
  const status = make("span");
  status.setAttribute("role", "status");
  let own = false; // whether a person chose the name
  name.addEventListener("input", () => {
    own = name.value !== "";
  });
  const current = () => {
    if (!own) name.value = propose(ui.state);
  };
  const box = make(
    "div",
    { className: "export" },
    make("label", { textContent: "save as", htmlFor: id }),
    name,
    save,
    status,
  );
  if (!model.alive()) {
    box.hidden = true;
    return box;
  }
  async function write(chosen, replace) {
    save.disabled = true;
    for (const link of status.querySelectorAll("a")) URL.revokeObjectURL(link.href);
    status.replaceChildren("saving …");
    try {
      const answer = await ui.ask("export", { name: chosen, replace });
      if (answer.taken) {
        const again = make("button", { type: "button", textContent: `Replace ${answer.taken}` });
        const other = make("button", { type: "button", textContent: `Save as ${answer.free}` });
        again.addEventListener("click", () => write(answer.taken, true));
        other.addEventListener("click", () => write(answer.free, false));
        status.replaceChildren(`${answer.taken} is there already: `, again, " ", other);
      } else status.replaceChildren("saved: ", ...links(answer));
    } catch (error) {
      status.replaceChildren(`not saved: ${error.message}`);
    }
    save.disabled = false;
  }
  save.addEventListener("click", () => {
    current();
    write(name.value.trim(), false);
  });
  name.addEventListener("focus", current);
  ui.named = current;
  setTimeout(current);
  return box;
}

const MIMES = { png: "image/png", svg: "image/svg+xml", pdf: "application/pdf", json: "application/json" };
function links({ files, ...contents }) {
  return Object.entries(files).map(([form, path]) =>
    make("a", {
      textContent: path,
      target: "_blank",
      rel: "noopener",
      href: URL.createObjectURL(new Blob([contents[form]], { type: MIMES[form] })),
    }),
  );
}

// Host 1: an anywidget. Questions carry a number, and so do their answers.
function live(model, el) {
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
  const leave = mount(el, {
    get: (name) => model.get(name),
    save(state) {
      if (here) {
        model.set("state", state);
        model.save_changes();
      }
    },
    onstate(act) {
      const changed = () => act(model.get("state"));
      model.on("change:state", changed);
      return () => model.off("change:state", changed);
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
  });
  return () => {
    model.off("msg:custom", heard);
    model.off("comm_live_update", lost);
    leave();
  };
}

// Host 2: a page. In JupyterLab, where a live one may be about to appear, it waits and lets that one go first.
function asleep(payload) {
  const el = document.querySelector(`[data-aoq-page="${payload._page}"]`);
  if (!el) return;
  el.replaceChildren();
  const notebook = document.getElementById("jupyter-config-data") !== null;
  const alive = () => document.querySelector(`[data-aoq-live="${payload._page}"]`) !== null;
  let leave = null,
    waited = 0;
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
      // What stands where the live one would be: "Error displaying widget: model not found".
      const before = el.closest(".jp-OutputArea-child")?.previousElementSibling;
      if (before?.textContent.includes("widget")) before.style.display = "none";
      leave = mount(el, frozen(payload));
    }
  };
  const timer = setInterval(look, 500);
  look();
}

const frozen = (payload) => ({
  get: (name) => payload[name],
  save() {},
  onstate: () => () => {},
  onlife: () => () => {},
  alive: () => false,
  ask: () => Promise.reject(new Error(GONE)),
});
