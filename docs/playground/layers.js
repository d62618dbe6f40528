// The table of layers: activations, dead units, update ratio. Rows are kept, not remade.

import { drawHistogram, drawUnits } from "./charts.js";
import { make } from "./page.js";
import { say } from "./texts.js";

let rows = new Map();

export function showLayers(body, layers) {
  const shown = layers.filter((layer) => layer.counts || layer.update_ratio !== null || layer.kind === "Linear");
  const names = shown.map((layer) => `${layer.name}${layer.kind}`).join();
  if (body.dataset.names !== names) {
    rows = new Map(shown.map((layer) => [layer.name, row(layer)]));
    body.replaceChildren(...[...rows.values()].map((parts) => parts.row));
    body.dataset.names = names;
  }
  for (const layer of shown) fill(rows.get(layer.name), layer);
}

function row(layer) {
  const parts = { ratio: make("td"), dead: make("td"), pictures: make("td") };
  if (layer.counts) {
    parts.histogram = make("canvas", { class: "small", role: "img" });
    parts.units = make("canvas", { class: "small units", role: "img" });
    parts.pictures.append(parts.histogram, parts.units);
  }
  const title = make("th", { scope: "row" }, `${layer.name} ${layer.kind}`);
  parts.row = make("tr", {}, title, parts.pictures, parts.dead, parts.ratio);
  return parts;
}

function fill(parts, layer) {
  const ratio = layer.update_ratio;
  parts.ratio.textContent = ratio ? ratio.toExponential(1) : "";
  parts.ratio.className = ratio > 3e-2 || (ratio > 0 && ratio < 1e-5) ? "wrong" : "";
  if (!layer.counts) return;
  const dead = layer.active.filter((share) => share === 0).length;
  const words = { dead, units: layer.units };
  const silent = ["ReLU"].includes(layer.kind);
  parts.dead.textContent = silent ? say("deadOf", words) : "";
  parts.dead.className = silent && dead >= 0.2 * layer.units ? "wrong" : "";
  drawHistogram(parts.histogram, layer.counts);
  const [low, high] = [layer.low.toFixed(2), layer.high.toFixed(2)];
  parts.histogram.setAttribute("aria-label", say("histogram", { layer: layer.name, low, high }));
  parts.units.hidden = !silent;
  if (!silent) return;
  drawUnits(parts.units, layer.active);
  parts.units.setAttribute("aria-label", `${say("deadOf", words)}: ${say("never")}`);
}
