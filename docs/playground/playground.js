// The playground: settings make a run in the worker, frames come back and are drawn.

import { showCode } from "./code.js";
import { Controls } from "./controls.js";
import { drawLoss, restyle } from "./charts.js";
import { showLayers } from "./layers.js";
import { OwnPoints } from "./own.js";
import { at, copy, fillTexts, make, problem, startWorker, status } from "./page.js";
import { Plane } from "./plane.js";
import { PRESETS } from "./presets.js";
import { cleaned, enough, fromHash, START, toHash } from "./settings.js";
import { say } from "./texts.js";

fillTexts();
document.title = say("playTitle");

let { settings, steps: goal, preset } = fromHash(location.hash);
let id = 0, frame = null, rows = [], running = false, ready = false;
const plane = new Plane(at("plane"));
const live = (window.live = { frames: 0, frame: null, ready: false }); // for tests and measurements

const worker = startWorker("./run_worker.js", {
  ready() {
    ready = live.ready = true;
    restart(goal);
  },
  made(data) {
    if (data.id !== id) return;
    plane.setPoints(data.points, data.reach);
    showClasses();
  },
  frame(data) {
    if (data.id === id) show(data);
    worker.postMessage({ kind: "drawn" });
  },
  paused(data) {
    if (data.id !== id) return;
    setRunning(false);
    status(frame.broken ? "broken" : "paused", say(frame.broken ? "stateBroken" : "statePaused", { steps: frame.steps }));
    remember();
  },
  code({ text }) { showCode(text); },
  failed(data) {
    setRunning(false);
    status("failed", say(ready ? "failed" : "notLoaded"));
    problem(data.message);
  },
});

// --- making and training

function restart(until = 0) {
  if (!ready) return;
  problem();
  if (settings.data === "own" && !enough(settings.points)) {
    plane.setPoints(settings.points);
    plane.shade = null;
    plane.draw();
    at("buttons").classList.add("waiting");
    return status("few", say("ownFew"));
  }
  at("buttons").classList.remove("waiting");
  id += 1;
  rows = [];
  frame = null;
  worker.postMessage({ kind: "make", id, settings });
  askCode();
  status("making", "");
  if (until) start(until);
  else setRunning(false);
}

function start(until) {
  if (!ready) return;
  setRunning(true);
  status("training", say("stateTraining"));
  worker.postMessage({ kind: "start", until });
}

function setRunning(value) {
  running = value;
  const [name, icon] = running ? ["pause", "❚❚"] : ["train", "▶"];
  at("train").replaceChildren(make("span", { "aria-hidden": "true" }, icon), ` ${say(name)}`);
  at("step").disabled = running;
}

function remember() {
  history.replaceState(null, "", `#${toHash(settings, frame?.steps ?? 0, preset)}`);
  askCode();
}

function askCode() {
  const steps = frame?.steps || PRESETS[preset]?.steps || 500;
  worker.postMessage({ kind: "code", settings, steps });
}

// --- what a frame shows

function show(data) {
  const first = !frame;
  frame = { ...frame, ...data };
  plane.setShade(data.shade, data.size);
  plane.draw();
  fill({ steps: data.steps, epoch: data.epoch, rate: data.rate.toPrecision(3) });
  if (data.layers) showFigures(data); // most pictures of a fast training are without
  live.frames += 1;
  live.frame = frame;
  if (first && !running) {
    status("made", say("stateMade"));
    remember();
  }
}

function fill(numbers) {
  for (const [name, text] of Object.entries(numbers)) at(`n-${name}`).textContent = text;
}

function showFigures(data) {
  rows.push({ steps: data.steps, loss: data.loss ?? NaN, heldLoss: data.heldLoss ?? NaN });
  if (rows.length > 600) rows = rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1);
  drawLoss(at("loss"), rows);
  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  const [train, held] = [data.loss?.toFixed(4) ?? "NaN", data.heldLoss?.toFixed(4) ?? "NaN"];
  fill({ lossTrain: train, lossHeld: held, accuracyTrain: percent(data.accuracy), accuracyHeld: percent(data.heldAccuracy) });
  at("loss").setAttribute("aria-label", say("lossChartLabel", { train, held }));
  const classes = 1 + Math.max(...plane.points.map((p) => p[2]));
  const words = { n: plane.points.length, classes, accuracy: (100 * data.accuracy).toFixed(0) };
  at("plane").setAttribute("aria-label", say("planeLabel", words));
  showLayers(at("layers"), data.layers);
  showWords(data.words);
}

function showWords(words) {
  const shown = words.length ? words : [say("noWords")];
  if (at("words").textContent === shown.join("")) return;
  at("words").replaceChildren(...shown.map((text) => make("li", {}, text)));
}

function showClasses() {
  const used = new Set(plane.points.map((p) => p[2]));
  for (const c of [0, 1, 2]) at(`class${c}`).hidden = !used.has(c);
}

// --- controls

const controls = new Controls(at("settings"), (changed) => {
  settings = cleaned({ ...settings, ...changed });
  preset = null;
  showPreset();
  own.show(settings);
  restart();
});
const own = new OwnPoints(plane, (points) => {
  settings = { ...settings, data: "own", points };
  controls.show(settings);
  restart();
});

at("train").onclick = () => (running ? worker.postMessage({ kind: "pause" }) : start());
at("step").onclick = () => {
  worker.postMessage({ kind: "step" });
  status("stepped", "");
};
at("reset").onclick = () => restart();
at("speed").onchange = () => worker.postMessage({ kind: "speed", speed: at("speed").value });
at("share").onclick = () => {
  remember();
  copy(location.href, "shared");
};

// --- break it

function showPreset() {
  at("preset").hidden = !PRESETS[preset];
  for (const button of at("presets").children) button.setAttribute("aria-pressed", button.dataset.preset === preset);
  if (!PRESETS[preset]) return;
  at("preset-title").textContent = say(`broken_${preset}`);
  for (const part of ["seen", "why", "cure"]) at(`preset-${part}`).textContent = say(`broken_${preset}_${part}`);
  at("mend").textContent = say(isMended() ? "breakAgain" : "mend");
}

const isMended = () => Object.entries(PRESETS[preset].mended).every(([name, value]) => settings[name] === value);

function use(name, changes) {
  preset = name;
  settings = { ...START, points: settings.points, ...changes };
  controls.show(settings);
  own.show(settings);
  showPreset();
  restart(PRESETS[name].steps);
}

for (const [name, { broken }] of Object.entries(PRESETS)) {
  const button = make("button", { type: "button", "data-preset": name, "aria-pressed": "false" }, say(`broken_${name}`));
  button.onclick = () => use(name, broken);
  at("presets").append(button);
}
at("mend").onclick = () => {
  const { broken, mended } = PRESETS[preset];
  use(preset, isMended() ? broken : { ...broken, ...mended });
};

addEventListener("hashchange", () => {
  ({ settings, steps: goal, preset } = fromHash(location.hash));
  controls.show(settings);
  own.show(settings);
  showPreset();
  restart(goal);
});
function redraw() {
  restyle();
  plane.restyle();
  if (!frame) return;
  drawLoss(at("loss"), rows);
  showLayers(at("layers"), frame.layers);
}
new ResizeObserver(redraw).observe(at("plane"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

controls.show(settings);
own.show(settings);
showPreset();
setRunning(false);
