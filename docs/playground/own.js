// A user's own points: clicked, placed by keyboard, or pasted.

import { at, make, problem } from "./page.js";
import { readPoints, round } from "./settings.js";
import { say } from "./texts.js";

export class OwnPoints {
  constructor(plane, changed) {
    this.plane = plane;
    this.changed = changed;
    this.points = [];
    this.active = false;
    for (const label of [0, 1, 2]) {
      const radio = make("input", { type: "radio", name: "own-class", value: label });
      radio.checked = label === 0;
      radio.onchange = () => this.describe();
      at("own-class").append(make("label", {}, radio, make("span", { class: `mark mark${label}`, "aria-hidden": "true" }), ` ${label}`));
    }
    plane.canvas.addEventListener("click", (event) => this.active && this.add(plane.placeOf(event)));
    plane.canvas.addEventListener("keydown", (event) => this.active && this.key(event));
    plane.canvas.addEventListener("blur", () => this.move(null));
    at("own-use").onclick = () => this.paste();
    at("own-clear").onclick = () => this.set([]);
  }

  get label() {
    return Number(document.querySelector("input[name=own-class]:checked").value);
  }

  /** Show the panel if the data set is the user's own. */
  show({ data, points }) {
    this.active = data === "own";
    this.points = points;
    at("own").hidden = !this.active;
    this.plane.canvas.classList.toggle("own", this.active);
    this.plane.canvas.tabIndex = this.active ? 0 : -1;
    this.plane.canvas.setAttribute("role", this.active ? "application" : "img");
    at("own-text").value = points.map((p) => p.join(", ")).join("\n");
    this.describe();
  }

  describe() {
    at("own-help").textContent = say("planeOwn", { label: this.label });
  }

  add([x, y]) {
    this.set([...this.points, [round(x), round(y), this.label]]);
  }

  set(points) {
    this.points = points;
    at("own-text").value = points.map((p) => p.join(", ")).join("\n");
    this.changed(points);
  }

  paste() {
    const found = readPoints(at("own-text").value);
    if (found.points) this.set(found.points);
    else problem(say("ownWrong", found));
  }

  key(event) {
    const by = 0.05 * this.plane.reach;
    const [x, y] = this.plane.cross ?? [0, 0];
    const keys = {
      ArrowLeft: () => this.move([x - by, y]), ArrowRight: () => this.move([x + by, y]),
      ArrowUp: () => this.move([x, y + by]), ArrowDown: () => this.move([x, y - by]),
      Enter: () => this.add([x, y]), Backspace: () => this.set(this.points.slice(0, -1)),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }

  move(place) {
    const inside = (z) => Math.min(this.plane.reach, Math.max(-this.plane.reach, z));
    this.plane.cross = place && place.map(inside);
    this.plane.draw();
  }
}
