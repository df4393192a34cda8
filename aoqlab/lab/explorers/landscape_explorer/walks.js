// Walks on the landscape as aoqlab.lab.toy.landscape makes them, their hulls, and what they have seen.

export function valueAt({ bowl, wells }, x, y) {
  let value = 0.5 * bowl * (x * x + y * y);
  for (const [cx, cy, depth, width] of wells)
    value -= depth * Math.exp(((x - cx) ** 2 + (y - cy) ** 2) / (-2 * width ** 2));
  return value;
}

// Training from a start, with the factors [thresholds, levels, dampening] of every step, as aoqlab.lab.toy.landscape does
// it, operation by operation: { weights, positions }, two numbers per step.
export function walk({ spacing, reach, bowl, wells }, factors, lr, start) {
  const steps = factors.length / 3 - 1;
  const weights = new Float64Array(2 * steps + 2),
    positions = new Int32Array(2 * steps + 2),
    w = [...start],
    k = [0, 0];
  for (let t = 0; t <= steps; t++) {
    const cut = spacing * factors[3 * t],
      level = factors[3 * t + 1],
      dampening = factors[3 * t + 2];
    for (const i of [0, 1]) {
      const place = w[i] / cut;
      let below = -reach;
      while (below < reach && below + 0.5 <= place) below++;
      k[i] = positions[2 * t + i] = below;
      weights[2 * t + i] = w[i];
    }
    if (t === steps) break;
    const p = k.map((n) => level * (spacing * n)),
      gradient = p.map((x) => bowl * x);
    for (const [cx, cy, depth, width] of wells) {
      const away = [p[0] - cx, p[1] - cy],
        square = away[0] * away[0] + away[1] * away[1];
      const pull = (depth / (width * width)) * Math.exp(square / (-2 * (width * width)));
      for (const i of [0, 1]) gradient[i] += pull * away[i];
    }
    if (dampening) {
      const away = w.map((x, i) => x - cut * k[i]),
        norm = Math.sqrt(away[0] * away[0] + away[1] * away[1]);
      for (const i of [0, 1]) gradient[i] += (dampening * away[i]) / (norm > 0 ? norm : 1);
    }
    for (const i of [0, 1]) w[i] -= lr * gradient[i];
  }
  return { weights, positions };
}

// Corners of the convex hull of points [[x, y], ...], counter-clockwise (Andrew's monotone chain).
export function hullOf(points) {
  const ordered = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (ordered.length < 3) return ordered;
  const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  const chain = (list) => {
    const found = [];
    for (const point of list) {
      while (found.length > 1 && turn(found.at(-2), found.at(-1), point) <= 0) found.pop();
      found.push(point);
    }
    return found.slice(0, -1);
  };
  return [...chain(ordered), ...chain(ordered.reverse())];
}

const areaOf = (hull) =>
  Math.abs(
    hull.reduce((sum, [x, y], i) => {
      const [u, v] = hull[(i + 1) % hull.length];
      return sum + x * v - u * y;
    }, 0),
  ) / 2;

// What a walk has seen up to every step; points are visited in the order of `seen`.
export function accountOf(problem, { positions }) {
  const n = positions.length / 2,
    { spacing } = problem;
  const value = new Float64Array(n),
    area = new Float64Array(n),
    crossings = new Int32Array(n),
    count = new Int32Array(n);
  const seen = [],
    known = new Set();
  for (let t = 0; t < n; t++) {
    const a = positions[2 * t],
      b = positions[2 * t + 1];
    value[t] = valueAt(problem, spacing * a, spacing * b);
    if (t) crossings[t] = crossings[t - 1] + Math.abs(a - positions[2 * t - 2]) + Math.abs(b - positions[2 * t - 1]);
    area[t] = t ? area[t - 1] : 0;
    if (!known.has(`${a} ${b}`)) {
      known.add(`${a} ${b}`);
      seen.push([a, b]);
      area[t] = spacing * spacing * areaOf(hullOf(seen));
    }
    count[t] = seen.length;
  }
  return { value, area, crossings, count, seen };
}

export function basinOf({ spacing, wells: [shallow, deep] }, x, y) {
  const inside = ([cx, cy]) => (x - cx) ** 2 + (y - cy) ** 2 < spacing ** 2;
  return inside(deep) ? "deep" : inside(shallow) ? "shallow" : "other";
}
