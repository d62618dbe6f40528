// The page that scores one task, property by property.

import { at, fillTexts, make, problem, startWorker, status } from "./page.js";
import { say } from "./texts.js";

fillTexts();
document.title = say("scoreTitle");
let tasks = null, worker = null, id = 0;
const written = {}; // what was typed, by task: later tasks may need earlier ones

function start() {
  worker = startWorker("./score_worker.js", {
    tasks(data) {
      if (tasks) return;
      tasks = data.tasks;
      at("task").replaceChildren(...tasks.map(({ name, title, points }) => make("option", { value: name }, `${name} ${title} (${points})`)));
      at("task").value = new URLSearchParams(location.search).get("task") ?? tasks[0].name;
      if (!at("task").value) at("task").value = tasks[0].name;
      show();
    },
    ready() {
      at("score").disabled = false;
      at("stop").disabled = true;
      status("ready", say("ready"));
    },
    scored(data) {
      if (data.id === id) scored(data);
    },
    failed(data) {
      at("score").disabled = !tasks;
      at("stop").disabled = true;
      status("failed", tasks ? "" : say("notLoaded"));
      problem(data.message);
    },
  });
}

const chosen = () => tasks.find((task) => task.name === at("task").value);

function show() {
  const { name, code, file, indent } = chosen();
  at("code").value = written[name] ?? code;
  at("code").rows = Math.max(8, at("code").value.split("\n").length + 2);
  at("code-note").textContent = say("regionNote", { file, indent });
  at("rows").replaceChildren();
  at("result").hidden = true;
}

function scored({ points, of, rows, seconds }) {
  at("score").disabled = false;
  at("stop").disabled = true;
  status("scored", say("scored", { points, of, seconds: seconds.toFixed(1) }));
  at("rows").replaceChildren(...rows.map((row) => {
    const text = row.right ? say("right") : row.what;
    const words = make("td", {}, text);
    if (!row.right && row.hint) words.append(make("p", { class: "quiet" }, say("hint", { hint: row.hint })));
    return make("tr", { class: row.right ? "right" : "lost" }, make("td", {}, row.name), make("td", {}, `${row.points} / ${row.of}`), words);
  }));
  at("result").hidden = false;
}

at("task").onchange = show;
at("code").oninput = () => { written[at("task").value] = at("code").value; };
at("score").onclick = () => {
  id += 1;
  problem();
  at("score").disabled = true;
  at("stop").disabled = false;
  status("scoring", say("scoring"));
  written[at("task").value] = at("code").value;
  worker.postMessage({ id, task: at("task").value, written });
};
at("stop").onclick = () => {
  worker.terminate();
  status("stopped", say("stopped"));
  start();
};

// Tab indents; Escape, then Tab, leaves the editor
let leaving = false;
at("code").onkeydown = (event) => {
  if (event.key === "Escape") leaving = true;
  else if (event.key === "Tab" && !leaving && !event.shiftKey) {
    event.preventDefault();
    at("code").setRangeText("    ", at("code").selectionStart, at("code").selectionEnd, "end");
    at("code").dispatchEvent(new Event("input"));
  } else leaving = false;
};

start();
