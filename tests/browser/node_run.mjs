// Run a Python file under Pyodide in node, with a wheel of minidl.
//
//   node node_run.mjs PYODIDE WHEEL SCRIPT.py [HOST_FOLDER=/path …]
//
// The folders of this computer are at the paths named. What the script prints is
// printed; the exit status is 0, or 1 for an exception.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

// node prints the source line of an uncaught error: with Pyodide, a megabyte of it
process.on("uncaughtException", (error) => {
  console.error(String(error?.message ?? error));
  process.exit(1);
});

const [pyodide, wheel, script, ...mounts] = process.argv.slice(2);
const folder = resolve(pyodide);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const py = await loadPyodide({
  indexURL: `${folder}/`,
  env: { HOME: "/home/pyodide", MPLBACKEND: "Agg", QUICK: "1" },
});
await py.loadPackage(["numpy", "matplotlib"], { messageCallback: () => {} });
// a Buffer of node is refused
py.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel");
for (const pair of mounts) {
  const at = pair.lastIndexOf("=");
  py.FS.mkdirTree(pair.slice(at + 1));
  py.mountNodeFS(pair.slice(at + 1), resolve(pair.slice(0, at)));
}
const scope = py.toPy({ __name__: "__main__" });
py.runPython(readFileSync(script, "utf8"), { globals: scope });
process.exit(0);
