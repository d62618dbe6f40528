// What all pages share: texts put in place, elements found and made, the worker started.

import { say } from "./texts.js";

export const at = (id) => document.getElementById(id);

/** Make an element: make("p", { class: "quiet" }, "text", child, …). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Fill what has data-text="name" (its text) or data-label="name" (its aria-label). */
export function fillTexts(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", say(element.dataset.label));
}

/** Say where the page stands, to eyes and ears; the state is also a data attribute. */
export function status(state, text) {
  document.body.dataset.state = state;
  if (at("status").textContent !== text) at("status").textContent = text;
}

/** Show an error, or none. */
export function problem(text = "") {
  at("problem").textContent = text && `${say("failed")} ${text}`;
  at("problem").hidden = !text;
}

/** Start the worker of a page; `hears` gets its messages by their kind. */
export function startWorker(address, hears) {
  const worker = new Worker(new URL(address, import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.kind === "loading") status("loading", say(data.what));
    else hears[data.kind](data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    status("failed", say("notLoaded"));
  };
  return worker;
}

/** Copy a text; say how it went. */
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    at("said").textContent = say(done);
  } catch {
    at("said").textContent = say("notCopied");
  }
}
