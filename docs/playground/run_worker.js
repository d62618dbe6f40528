// The worker of the playground: Python. It trains for some milliseconds, sends a frame,
// and lets messages in before the next, which is what makes Pause work.

import { addMinidl, addModule, sentence, startPython } from "./python.js";

const SIZE = 40; // the plane is asked at SIZE × SIZE points
const FIGURES = 150; // milliseconds between two pictures with all figures
// milliseconds, steps at most and at least for a picture, milliseconds of pause
const SPEEDS = { slow: [0, 1, 1, 120], normal: [6, 10, 1, 0], fast: [24, 10000, 4, 0] };

let run = null, code = null, id = 0;
let running = false, loop = 0, until = Infinity, speed = "normal";
let drawn = () => {}, figured = 0;

// lets messages in; a timer would wait 4 ms
const channel = new MessageChannel();
const turn = () => new Promise((done) => { channel.port1.onmessage = done; channel.port2.postMessage(0); });
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function start() {
  const py = await startPython();
  await addMinidl(py);
  code = await addModule(py, "run");
}

function frame(figures = true, last = false) {
  if (figures) figured = performance.now();
  const made = code.frame(run, SIZE, figures, last);
  const [look, shade] = made.toJs();
  made.destroy();
  self.postMessage({ kind: "frame", id, size: SIZE, shade, ...JSON.parse(look) }, [shade.buffer]);
}

/** Train until something else is wanted; a loop that a newer one replaced just ends. */
async function train() {
  const mine = (loop += 1);
  let answered = null;
  while (running && mine === loop) {
    const [ms, most, least, pause] = SPEEDS[speed];
    run.train(ms, Math.min(most, until - run.steps), least);
    if (run.broken || run.steps >= until) break;
    await answered; // the page draws one picture while the next is made, and never has two
    if (mine !== loop) return;
    answered = new Promise((done) => { drawn = done; });
    frame(pause > 0 || performance.now() - figured > FIGURES);
    await (pause ? wait(pause) : turn());
  }
  if (mine !== loop) return;
  running = false;
  frame(true, true);
  self.postMessage({ kind: "paused", id });
}

const does = {
  make(data) {
    running = false;
    loop += 1;
    run?.destroy();
    run = null;
    id = data.id;
    run = code.made(JSON.stringify(data.settings));
    self.postMessage({ kind: "made", id, ...JSON.parse(code.points(run)) });
    frame();
  },
  start(data) {
    if (!run || running) return;
    until = data.until ?? Infinity;
    running = run.steps < until && !run.broken;
    train().catch(fail);
  },
  step() {
    if (!run || running) return;
    run.train(0, 1);
    frame();
  },
  pause() { running = false; },
  speed(data) { speed = data.speed; },
  drawn() { drawn(); },
  code(data) {
    self.postMessage({ kind: "code", text: code.text(JSON.stringify(data.settings), data.steps) });
  },
};

const fail = (error) => self.postMessage({ kind: "failed", id, message: sentence(error) });
const ready = start();
ready.then(() => self.postMessage({ kind: "ready" }), fail);
self.onmessage = ({ data }) => {
  if (data.kind === "drawn") drawn();
  else ready.then(() => does[data.kind](data)).catch(fail);
};
