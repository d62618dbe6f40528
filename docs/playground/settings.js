// The settings of a run: what there is, what is allowed, and how the address keeps them.

const choice = (group, name, start, options) => ({ group, name, start, kind: "choice", options });
const number = (group, name, start, low, high, step) => ({ group, name, start, kind: "number", low, high, step });
const tick = (group, name, start) => ({ group, name, start, kind: "tick" });

export const FIELDS = [
  choice("groupData", "data", "spirals", ["spirals", "circles", "xor", "moons", "blobs", "own"]),
  number("groupData", "n", 300, 20, 1000, 10),
  number("groupData", "noise", 0.1, 0, 1, 0.05),
  number("groupData", "held", 0.25, 0.1, 0.8, 0.05),
  number("groupData", "shift", 0, -20, 20, 1),
  tick("groupData", "center", false),
  { group: "groupData", name: "features", start: ["x", "y"], kind: "several", options: ["x", "y", "x2", "y2", "xy", "sinx", "siny"] },
  { group: "groupNet", name: "layers", start: [16, 16], kind: "widths", label: "hidden", note: "hiddenNote" },
  choice("groupNet", "activation", "ReLU", ["ReLU", "LeakyReLU", "ELU", "GELU", "Tanh", "Sigmoid"]),
  choice("groupNet", "init", "kaiming_normal", ["kaiming_normal", "xavier_normal", "small_random", "zeros"]),
  number("groupNet", "bias", 0, -10, 10, 0.5),
  tick("groupNet", "norm", false),
  choice("groupTraining", "optimizer", "Adam", ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSProp", "Adam", "AdamW"]),
  number("groupTraining", "lr", 0.01, 0, 100, "any"),
  choice("groupTraining", "schedule", "constant", ["constant", "cosine", "step", "warmup"]),
  number("groupTraining", "horizon", 2000, 10, 100000, 10),
  number("groupTraining", "decay", 0, 0, 10, "any"),
  number("groupTraining", "dropout", 0, 0, 0.9, 0.05),
  number("groupTraining", "batch", 32, 1, 1000, 1),
  number("groupTraining", "seed", 0, 0, 1000000, 1),
];
const WHOLE = new Set(["n", "horizon", "batch", "seed"]);
const WIDEST = 128, DEEPEST = 8, CLASSES = 3, MANY = 500;

export const START = Object.freeze({
  ...Object.fromEntries(FIELDS.map(({ name, start }) => [name, start])), points: [],
});

/** The value of a field as it is allowed, from a text or a value; the start's if none is. */
export function allowed({ name, kind, start, options, low, high }, value) {
  if (kind === "choice") return options.includes(value) ? value : start;
  if (kind === "tick") return value === true || value === "1";
  if (kind === "several") {
    const chosen = options.filter((option) => value.includes(option));
    return chosen.length ? chosen : start;
  }
  if (kind === "widths") {
    const widths = value.map(Number).filter((n) => Number.isInteger(n) && n >= 1).map((n) => Math.min(n, WIDEST));
    return widths.slice(0, DEEPEST);
  }
  const found = Number(value);
  if (value === "" || !Number.isFinite(found)) return start;
  const inside = Math.min(high, Math.max(low, found));
  return WHOLE.has(name) ? Math.round(inside) : inside;
}

/** Settings with every field allowed. */
export function cleaned(settings) {
  const fields = FIELDS.map((field) => [field.name, allowed(field, settings[field.name])]);
  return { ...Object.fromEntries(fields), points: settings.points };
}

/** The part of an address behind #: what differs from the start, points, and the step. */
export function toHash(settings, steps, preset) {
  const words = new URLSearchParams();
  for (const { name, start, kind } of FIELDS) {
    const value = settings[name];
    if (JSON.stringify(value) === JSON.stringify(start)) continue;
    words.set(name, kind === "tick" ? Number(value) : Array.isArray(value) ? value.join(".") : value);
  }
  if (settings.points.length) words.set("points", settings.points.map((p) => p.join("_")).join("~"));
  if (preset) words.set("broken", preset);
  if (steps) words.set("at", steps);
  return words.toString();
}

/** The settings, the step and the preset of such a part; what is wrong is left out. */
export function fromHash(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = { ...START };
  for (const field of FIELDS) {
    const text = words.get(field.name);
    if (text === null) continue;
    const list = field.kind === "several" || field.kind === "widths";
    settings[field.name] = allowed(field, list ? text.split(".").filter(Boolean) : text);
  }
  const points = (words.get("points") ?? "").split("~").filter(Boolean).map((p) => p.split("_").map(Number));
  settings.points = points.filter(isPoint).slice(0, MANY);
  const steps = Math.min(20000, Math.max(0, Math.round(Number(words.get("at")) || 0)));
  return { settings, steps, preset: words.get("broken") };
}

const isPoint = (p) => p.length === 3 && p.every(Number.isFinite) && [0, 1, 2].includes(p[2]);

/** Points of pasted text, or the first line that is none: { points } or { line, text }. */
export function readPoints(text) {
  const points = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    const p = line.trim().split(/[\s,;]+/).map(Number);
    if (!isPoint(p)) return { line: i + 1, text: line.trim().slice(0, 40) };
    points.push([round(p[0]), round(p[1]), p[2]]);
  }
  return { points: points.slice(0, MANY) };
}

export const round = (x) => Math.round(100 * x) / 100;

/** Whether there are enough points to train on and to hold out. */
export function enough(points) {
  const counts = Array.from({ length: CLASSES }, (_, c) => points.filter((p) => p[2] === c).length);
  return counts.filter(Boolean).length >= 2 && counts.every((n) => n === 0 || n >= 2);
}
