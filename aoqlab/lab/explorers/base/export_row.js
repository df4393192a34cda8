// The row that exports a figure: the name of the file and Export; it asks before it replaces a file.

import { freshId, make, sentenceOf } from "./elements.js";

export function exportRow(ui, propose, model) {
  const id = freshId(model.get("_page"));
  const name = make("input", { type: "text", id, spellcheck: false });
  const save = make("button", { type: "button", textContent: "Export" });
  const status = make("span");
  status.setAttribute("role", "status");
  let own = false; // whether the user chose the name
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
      const answer = await ui.ask("export", { name: chosen, replace, readouts: shownIn(ui.el) });
      if (answer.taken) {
        const again = make("button", { type: "button", textContent: `Replace ${answer.taken}` });
        const other = make("button", { type: "button", textContent: `Save as ${answer.free}` });
        again.addEventListener("click", () => write(answer.taken, true));
        other.addEventListener("click", () => write(answer.free, false));
        status.replaceChildren(`${answer.taken} is there already: `, again, " ", other);
      } else status.replaceChildren("saved: ", ...links(answer));
    } catch (error) {
      status.replaceChildren(`not saved: ${sentenceOf(error)}`);
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

// The numbers on show, each with its label.
function shownIn(root) {
  const rows = [...root.querySelectorAll(".readouts > div")];
  return rows.map((row) => [...row.children].map((part) => part.textContent.trim()).join(": "));
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
