// The worker of the page that scores: the edition is unpacked, its own machinery asked.

import { addModule, bytes, serve, startPython } from "./python.js";

const ROOT = "/home/pyodide/edition";
let scorer = null;

async function start() {
  const py = await startPython();
  self.postMessage({ kind: "loading", what: "loadingHandout" });
  py.unpackArchive(await bytes("assignment.zip"), "zip", { extractDir: ROOT });
  scorer = await addModule(py, "score");
  scorer.edition(ROOT);
  self.postMessage({ kind: "tasks", tasks: JSON.parse(scorer.tasks(ROOT)) });
}

serve(start(), ({ id, task, written }) => {
  self.postMessage({ kind: "scored", id, ...JSON.parse(scorer.score(ROOT, task, JSON.stringify(written))) });
});
