// A run as the browser has it: the arrays that Python packed, and what they say of a layer at an epoch.

import { doubles, floats } from "../base/arrays.js";

const PACKED = [
  "shares",
  "oscillating",
  "rate",
  "crossed",
  "intervals",
  "accuracy",
  "loss",
  "volume",
  "places",
  "counts",
];
const WHOLE_NETWORK = ["accuracy", "loss", "volume"]; // one number an epoch, the same for every layer

export function unpacked(message) {
  const epochs = message.steps.length - 1,
    moments = epochs + 1;
  const at = Object.fromEntries(message.layers.map((layer, i) => [layer, i]));
  const run = { ...message, epochs, at };
  for (const name of PACKED) if (message[name] !== undefined) run[name] = floats(message[name]);
  if (message.bounds !== undefined) run.bounds = doubles(message.bounds);
  run.codes = run.shares.length / (message.layers.length * moments);
  const part = (values, i, size) => values.subarray(i * size, (i + 1) * size);
  const cell = (layer, epoch) => at[layer] * moments + Math.min(epoch, epochs);

  // A number over all epochs, and at one of them; of a run that ended before it, the last.
  run.over = (name, layer) => (WHOLE_NETWORK.includes(name) ? run[name] : part(run[name], at[layer], moments));
  run.value = (name, layer, epoch) => run.over(name, layer)[Math.min(epoch, epochs)];
  run.levels = (layer, epoch) => part(run.shares, cell(layer, epoch), run.codes);
  // Counts of moves in an epoch, from * codes + to; and all counts of a layer that are not 0, in any epoch.
  run.transitions = (layer, epoch) => {
    const counts = new Float64Array(run.codes ** 2);
    for (let k = run.bounds[cell(layer, epoch)]; k < run.bounds[cell(layer, epoch) + 1]; k++)
      counts[run.places[k]] = run.counts[k];
    return counts;
  };
  run.everCounted = (layer) => run.counts.subarray(run.bounds[cell(layer, 0)], run.bounds[cell(layer, epochs) + 1]);
  return run;
}
