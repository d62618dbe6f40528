// The form of settings, made from the table of fields.

import { make } from "./page.js";
import { allowed, FIELDS } from "./settings.js";
import { say } from "./texts.js";

const NAMES = { step: "stepwise" }; // texts of options whose name another text has

export class Controls {
  /** Build the form in `place`; `changed` is told {name: value} of what a user changes. */
  constructor(place, changed) {
    this.changed = changed;
    this.inputs = {};
    for (const group of new Set(FIELDS.map((field) => field.group))) {
      const fields = FIELDS.filter((field) => field.group === group);
      const rows = fields.map((field) => this.row(field));
      place.append(make("fieldset", {}, make("legend", {}, say(group)), ...rows));
    }
  }

  row(field) {
    const { name, kind } = field;
    if (kind === "several") return this.several(field);
    const input = this.input(field);
    input.id = `s-${name}`;
    input.onchange = () => this.changed({ [name]: allowed(field, this.value(field)) });
    this.inputs[name] = input;
    const text = make("label", { for: input.id }, say(field.label ?? name));
    if (!field.note) return make("div", { class: `field ${kind}` }, text, input);
    input.setAttribute("aria-describedby", `${input.id}-note`);
    const note = make("small", { id: `${input.id}-note` }, say(field.note));
    return make("div", { class: `field ${kind}` }, text, input, note);
  }

  input({ kind, options, low, high, step }) {
    if (kind === "choice") {
      return make("select", {}, ...options.map((o) => make("option", { value: o }, textOf(o))));
    }
    if (kind === "number") return make("input", { type: "number", min: low, max: high, step });
    return make("input", { type: kind === "tick" ? "checkbox" : "text", autocomplete: "off" });
  }

  several(field) {
    const ticks = field.options.map((option) => {
      const tick = make("input", { type: "checkbox", value: option });
      tick.onchange = () => this.changed({ [field.name]: allowed(field, this.value(field)) });
      return tick;
    });
    this.inputs[field.name] = ticks;
    const labels = ticks.map((tick) => make("label", {}, tick, ` ${say(tick.value)}`));
    const set = make("div", { class: "ticks", role: "group", "aria-label": say(field.name) }, ...labels);
    return make("div", { class: "field several" }, make("span", {}, say(field.name)), set);
  }

  value({ name, kind }) {
    const input = this.inputs[name];
    if (kind === "tick") return input.checked;
    if (kind === "several") return input.filter((tick) => tick.checked).map((tick) => tick.value);
    if (kind === "widths") return input.value.split(/[\s,]+/).filter(Boolean);
    return input.value;
  }

  /** Put settings into the form. */
  show(settings) {
    for (const { name, kind } of FIELDS) {
      const input = this.inputs[name], value = settings[name];
      if (kind === "tick") input.checked = value;
      else if (kind === "several") for (const tick of input) tick.checked = value.includes(tick.value);
      else input.value = kind === "widths" ? value.join(", ") : value;
    }
    const own = settings.data === "own";
    for (const name of ["n", "noise"]) this.inputs[name].disabled = own;
  }
}

/** Activations and optimizers are called as in Python. */
const textOf = (option) => (/^[A-Z]/.test(option) ? option : say(NAMES[option] ?? option));
