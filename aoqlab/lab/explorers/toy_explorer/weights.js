// What single weights did, stored or of a live run: their paths and codes, thresholds, and Figure 2's counts.

import { bytesOf, floats } from "../base/arrays.js";
import { Courses, METHODS, SETTINGS } from "./surface.js";

// Arrays about single weights, of one run or of many one after the other.
function typed(part) {
  const counts = (name) => new Uint32Array(bytesOf(part(name)).buffer);
  return {
    figure2: counts("figure2"),
    ends: counts("ends"),
    weights: floats(part("weights")),
    codes: bytesOf(part("codes")),
    thresholds: floats(part("thresholds")),
  };
}

// Of run i of n: a row per level, followed weight or threshold.
function weightsOf(arrays, i, n, records, bins) {
  const own = (values) => values.subarray((i * values.length) / n, ((i + 1) * values.length) / n);
  const rows = (name, width) => {
    const all = own(arrays[name]);
    return Array.from({ length: all.length / width }, (_, k) => all.subarray(k * width, (k + 1) * width));
  };
  return {
    figure2: rows("figure2", bins),
    ends: own(arrays.ends),
    weights: rows("weights", records),
    codes: rows("codes", records),
    thresholds: rows("thresholds", records),
  };
}

// The live runs of a setting: per method single weights of the first seed, and courses of all measures.
export function liveRuns(answer, measures, words, bins) {
  const progress = floats(answer.progress);
  const records = progress.length;
  /** @type {Record<string, any>} */
  const read = { at: answer.at.join(), progress, words };
  for (const method of METHODS) {
    const part = (name) => answer[`${method}_${name}`];
    read[method] = weightsOf(typed(part), 0, 1, records, bins);
    for (const name of measures) {
      const values = floats(part(name));
      read[method][name] = new Courses(values, 1, 1, values.length / records).at(0, 0);
    }
  }
  return read;
}

// A function of the state: the stored single weights of its setting.
export function storedWeights(sent, data, bins) {
  const progress = floats(sent.progress);
  const all = Object.fromEntries(METHODS.map((method) => [method, typed((name) => sent[method][name])]));
  const own = (method, state) => {
    const settings = data.settings[method].length;
    const place = state.lr * settings + state[SETTINGS[method]];
    return weightsOf(all[method], place, settings * data.rates.length, progress.length, bins);
  };
  return (state) => ({
    progress,
    words: sent.source,
    ...Object.fromEntries(METHODS.map((method) => [method, own(method, state)])),
  });
}
