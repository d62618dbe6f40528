// Small charts on canvases: the loss against the step, and a layer's activations.

let known = new WeakMap(); // size and colors of each canvas: to ask for them stops the browser

/** Ask for sizes and colors again: the window or the scheme has changed. */
export function restyle() {
  known = new WeakMap();
}

function prepared(canvas) {
  if (!known.has(canvas)) known.set(canvas, measured(canvas));
  const { context, width, height } = known.get(canvas);
  context.clearRect(0, 0, width, height);
  return known.get(canvas);
}

function measured(canvas) {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || 100];
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const style = getComputedStyle(canvas);
  const names = ["quiet", "line", "bad", "class0", "class1"].map((name) => `--${name}`);
  const colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name).trim()]));
  return { context, width, height, color: (name) => colors[name] };
}

/** The loss of training (a line) and of held-out points (dashed), on a log scale. */
export function drawLoss(canvas, rows) {
  const { context, width, height, color } = prepared(canvas);
  const values = rows.flatMap((r) => [r.loss, r.heldLoss]).filter((v) => v > 0 && Number.isFinite(v));
  const low = Math.log10(Math.min(0.1, ...values)), high = Math.log10(Math.max(1, ...values));
  const [left, bottom, top] = [38, height - 18, 8];
  const last = Math.max(10, rows.at(-1)?.steps ?? 0);
  const x = (step) => left + ((width - left - 6) * step) / last;
  const y = (loss) => bottom - ((bottom - top) * (Math.log10(Math.max(loss, 1e-9)) - low)) / (high - low);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = color("--quiet");
  context.strokeStyle = color("--line");
  context.textAlign = "right";
  for (let power = Math.ceil(low); power <= Math.floor(high); power++) {
    context.fillText(String(10 ** power).slice(0, 6), left - 5, y(10 ** power) + 4);
    context.beginPath();
    context.moveTo(left, y(10 ** power));
    context.lineTo(width - 6, y(10 ** power));
    context.stroke();
  }
  context.fillText(String(last), width - 6, height - 4);
  context.fillText("0", left + 4, height - 4);
  for (const [name, tone, dashes] of [["loss", "--class0", []], ["heldLoss", "--class1", [5, 4]]]) {
    context.strokeStyle = color(tone);
    context.lineWidth = 2;
    context.setLineDash(dashes);
    context.beginPath();
    for (const row of rows) if (Number.isFinite(row[name])) context.lineTo(x(row.steps), y(row[name]));
    context.stroke();
  }
  context.setLineDash([]);
}

/** How often a layer's activations fall into each bin; on a square-root scale. */
export function drawHistogram(canvas, counts) {
  const { context, width, height, color } = prepared(canvas);
  const most = Math.sqrt(Math.max(1, ...counts));
  const bar = width / counts.length;
  context.fillStyle = color("--class0");
  counts.forEach((count, i) => {
    const tall = (height - 2) * (Math.sqrt(count) / most);
    context.fillRect(i * bar, height - 1 - tall, Math.max(1, bar - 1), tall);
  });
  context.fillStyle = color("--quiet");
  context.fillRect(0, height - 1, width, 1);
}

/** One mark for each unit: as high as the share of points for which it is active. */
export function drawUnits(canvas, active) {
  const { context, width, height, color } = prepared(canvas);
  const wide = width / active.length;
  active.forEach((share, i) => {
    context.fillStyle = share === 0 ? color("--bad") : color("--class0");
    const tall = share === 0 ? height : Math.max(2, height * share);
    context.globalAlpha = share === 0 ? 0.35 : 1;
    context.fillRect(i * wide, height - tall, Math.max(1, wide - 1), tall);
    context.globalAlpha = 1;
    if (share > 0) return;
    context.strokeStyle = color("--bad"); // a dead unit is crossed out
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(i * wide, height);
    context.lineTo(i * wide + wide - 1, 0);
    context.stroke();
  });
}
