// The worker of the page of backward: an expression becomes the HTML of its steps.

import { addMinidl, addModule, serve, startPython } from "./python.js";

let steps = null;

async function start() {
  const py = await startPython();
  await addMinidl(py);
  steps = await addModule(py, "steps");
}

serve(start(), ({ id, expression, values }) => {
  self.postMessage({ kind: "made", id, ...JSON.parse(steps.page(expression, values)) });
});
