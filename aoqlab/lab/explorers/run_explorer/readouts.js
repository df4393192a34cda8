// The run explorer's numbers at an epoch, which line is which run, and what is to know about them.

import { make } from "../base/elements.js";
import { number, percent } from "../base/numbers.js";

/** @param {Ui} ui */
export function runReadouts(ui) {
  const key = ui.el.insertBefore(make("p", { className: "runs-key" }), ui.el.querySelector(".panels"));
  let built = "";

  // Above the pictures, so that it hides no line.
  function drawKey(all) {
    const wanted = JSON.stringify(all.map(({ title, color }) => [title, color]));
    if (built === wanted) return;
    built = wanted;
    key.replaceChildren(
      ...all.map(({ title, color, i }) => {
        const line = make("span", { className: i ? "key dashed" : "key" });
        line.style.borderColor = color;
        return make("span", {}, line, title);
      }),
    );
  }
  function draw(state, all, some) {
    drawKey(all);
    ui.readouts(some.flatMap((one) => numbersOf(one, state, ui.data.whole)));
    ui.note(remarks(state, all, some, ui).join(" "));
  }
  return { draw };
}

function numbersOf({ run, name }, { layer, epoch }, whole) {
  const at = Math.min(epoch, run.epochs),
    stage = run.stages.find(([from, to]) => at > from && at <= to)?.[2];
  return [
    { label: "oscillating weights", value: percent(run.value("oscillating", layer, epoch)), note: name },
    {
      label: "crossings per weight and 1000 steps",
      value: number(1000 * run.value("rate", layer, epoch)),
      note: name,
    },
    {
      label: "step size",
      value: number(run.value("intervals", layer, epoch)),
      note: layer === whole ? "each layer has its own" : name,
    },
    {
      label: "accuracy on test images",
      value: percent(run.accuracy[at]),
      note: stage ? `${name}, stage ${stage}` : name,
    },
  ];
}

function remarks({ layer, epoch }, all, some, ui) {
  const at = [...new Set(some.map(({ run }) => run.steps[Math.min(epoch, run.epochs)]))];
  const seldom = all.some(({ run }) => run.every > 1) ? " at which codes are looked at" : "";
  const words = [
    `Recorded at step ${at.join(" and ")}; a weight oscillates if it goes back over a threshold at more than ` +
      `${ui.data.above} of the steps${seldom}.`,
  ];
  for (const { run, name } of all) {
    if (run.every > 1) words.push(`In ${name} that is every ${run.every} steps: crossings in between are not seen.`);
    if (!(layer in run.at)) words.push(`${name} has no layer ${layer}.`);
    else if (epoch > run.epochs) words.push(`${name} has ${run.epochs} epochs: its last one is shown.`);
  }
  if (!ui.alive()) words.push("Training, further runs and export need a kernel.");
  return words;
}
