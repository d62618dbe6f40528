// The page of backward: two lines of text, and a frame with the steps.

import { at, fillTexts, make, problem, startWorker, status } from "./page.js";
import { say } from "./texts.js";

const EXAMPLES = {
  exampleNeuron: ["sigmoid(w * x + b)", "x = 2, w = -1.5, b = 1"],
  exampleTwice: ["(a + a) * (a + b)", "a = 3, b = 2"],
  exampleLoss: ["-log(softmax(s))[0]", "s = [2, 1, 0.5]"],
  exampleVector: ["sum(relu(w * x))", "x = [1, 2, -1], w = [0.5, -1, 2]"],
};

fillTexts();
document.title = say("backwardTitle");
let id = 0, ready = false;

const worker = startWorker("./backward_worker.js", {
  ready() {
    ready = true;
    ask();
  },
  made(data) {
    if (data.id !== id) return;
    at("frame").srcdoc = data.html;
    at("frame").hidden = false;
    status("shown", say("shown", { n: data.operations }));
  },
  failed(data) {
    if (ready && data.id !== id) return;
    status("failed", ready ? "" : say("notLoaded"));
    problem(data.message);
  },
});

function ask() {
  if (!ready) return;
  id += 1;
  problem();
  status("building", say("building"));
  const [expression, values] = [at("expression").value, at("values").value];
  const words = new URLSearchParams({ e: expression, v: values });
  history.replaceState(null, "", `#${words}`);
  worker.postMessage({ id, expression, values });
}

function use(expression, values) {
  at("expression").value = expression;
  at("values").value = values;
}

for (const [name, [expression, values]] of Object.entries(EXAMPLES)) {
  const button = make("button", { type: "button" }, say(name));
  button.onclick = () => {
    use(expression, values);
    ask();
  };
  at("examples").append(button);
}
const words = new URLSearchParams(location.hash.slice(1));
use(words.get("e") ?? EXAMPLES.exampleNeuron[0], words.get("v") ?? EXAMPLES.exampleNeuron[1]);
at("form").onsubmit = (event) => {
  event.preventDefault();
  ask();
};
