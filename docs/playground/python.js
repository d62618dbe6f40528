// For workers: Pyodide, NumPy and files of Python, loaded one after the other.

import { PYODIDE } from "./config.js";

const address = (path) => new URL(path, import.meta.url).href;
const loading = (what) => self.postMessage({ kind: "loading", what });

/** Fetch a file beside this one, as bytes. */
export async function bytes(path) {
  const answer = await fetch(address(path));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.arrayBuffer();
}

/** Return Pyodide with NumPy. */
export async function startPython() {
  loading("loadingPython");
  const folder = new URL(PYODIDE, import.meta.url).href;
  const { loadPyodide } = await import(`${folder}pyodide.mjs`);
  const py = await loadPyodide({ indexURL: folder, stdout: () => {}, stderr: () => {} });
  loading("loadingNumpy");
  await py.loadPackage(["numpy"], { messageCallback: () => {} });
  return py;
}

/** Unpack the wheel of minidl. */
export async function addMinidl(py) {
  loading("loadingMinidl");
  py.unpackArchive(await bytes("minidl.whl"), "wheel");
}

/** Import a file of python/ as a module. */
export async function addModule(py, name) {
  py.FS.writeFile(`/home/pyodide/${name}.py`, new Uint8Array(await bytes(`python/${name}.py`)));
  return py.pyimport(name);
}

/** An error as a sentence: the last line of a Python traceback. */
export function sentence(error) {
  const lines = String(error?.message ?? error).trim().split("\n");
  return lines.at(-1).replace(/^(\w+\.)*(\w+Error): /, "$2: ").replace(/^ExpressionError: /, "");
}

/** Call a function of messages that come in, one after the other; errors are told. */
export function serve(ready, answer) {
  let last = ready;
  ready.then(() => self.postMessage({ kind: "ready" }), tell);
  self.onmessage = ({ data }) => {
    last = last.then(() => answer(data)).catch((error) => tell(error, data.id));
  };
}

function tell(error, id) {
  self.postMessage({ kind: "failed", id, message: sentence(error) });
}
