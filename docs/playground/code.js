// The program that makes the same run, to be copied.

import { at, copy } from "./page.js";

export function showCode(text) {
  if (at("code").textContent !== text) at("code").textContent = text;
}

at("copy").onclick = () => copy(at("code").textContent, "copied");
