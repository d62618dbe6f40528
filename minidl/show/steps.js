// One step of a page at a time: by slider, buttons and keys. Without it all are shown.
//
// Every <li> of an <ol class="steps"> is a step. data-node and data-edges say what of
// the graph is lit in it, data-grads (JSON: {vertex: text}) which gradients are known.
"use strict";
(() => {
  const controls = document.querySelector(".controls");
  const lists = [...document.querySelectorAll("ol.steps")];
  if (!controls || !lists.length) return;
  const slider = controls.querySelector("input");
  const [back, next] = controls.querySelectorAll("button");
  const choice = controls.querySelector("select");
  const count = controls.querySelector("output");
  const graph = document.querySelector(".graph");
  let list = lists[0];

  function light(step) {
    const edges = (step.dataset.edges || "").split(" ");
    const done = (step.dataset.done || "").split(" ");
    const grads = JSON.parse(step.dataset.grads || "{}");
    for (const vertex of graph.querySelectorAll("g[id]")) {
      const i = vertex.id.slice(1);
      vertex.classList.toggle("lit", i === step.dataset.node);
      const text = vertex.querySelector(".grad");
      if (text) text.textContent = i in grads ? "∂ " + grads[i] : "";
    }
    for (const path of graph.querySelectorAll("path[id]")) {
      const i = path.id.slice(1);
      path.classList.toggle("lit", edges.includes(i));
      path.classList.toggle("done", done.includes(i));
    }
    const lit = graph.querySelector("g.lit");
    if (!lit) return;
    const box = lit.getBoundingClientRect(), frame = graph.getBoundingClientRect();
    graph.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
  }

  function show(k) {
    const steps = [...list.children];
    k = Math.max(0, Math.min(steps.length - 1, k));
    steps.forEach((step, i) => { step.hidden = i !== k; });
    slider.max = steps.length - 1;
    slider.value = k;
    const title = steps[k].querySelector("h2").textContent;
    slider.setAttribute("aria-valuetext", title);
    count.textContent = `${k + 1} / ${steps.length}`;
    back.disabled = k === 0;
    next.disabled = k === steps.length - 1;
    if (graph) light(steps[k]);
  }

  const go = (by) => show(Number(slider.value) + by);
  slider.addEventListener("input", () => show(Number(slider.value)));
  back.addEventListener("click", () => go(-1));
  next.addEventListener("click", () => go(1));
  if (choice) choice.addEventListener("change", () => {
    list = lists[choice.selectedIndex];
    lists.forEach((other) => { other.hidden = other !== list; });
    show(0);
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target === slider || event.target.tagName === "SELECT") return;
    const keys = {
      ArrowRight: () => go(1), ArrowLeft: () => go(-1),
      Home: () => show(0), End: () => show(list.children.length - 1),
    };
    if (event.key in keys) { event.preventDefault(); keys[event.key](); }
  });

  document.documentElement.classList.add("scripted");
  controls.hidden = false;
  lists.forEach((other) => { other.hidden = other !== list; });
  show(0);
})();
