// The plane on a canvas: how sure the network is of each class, and the points.

const REACH = 1.4; // what is shown on each side of 0, at first
const MARKS = ["circle", "square", "triangle"]; // of the classes: not by color alone

export class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.small = document.createElement("canvas");
    this.reach = REACH;
    this.points = [];
    this.shade = null;
    this.cross = null; // where the keyboard's cross stands
  }

  /** Keep the probabilities of the classes, (K, size, size) bytes, the top row first. */
  setShade(shade, size) {
    this.shade = shade;
    this.size = size;
  }

  colors() {
    const style = getComputedStyle(this.canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    return { classes: [0, 1, 2].map((c) => color(`--class${c}`)), ground: color("--ground"), ink: color("--ink") };
  }

  draw() {
    const { context, canvas } = this;
    const side = Math.round(canvas.clientWidth * devicePixelRatio) || 400;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const colors = this.colors();
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, side, side);
    if (this.shade) this.drawShade(colors, side);
    const unit = side / (2 * this.reach);
    const place = ([x, y]) => [(x + this.reach) * unit, (this.reach - y) * unit];
    const size = Math.max(3, side / 110);
    for (const point of this.points) mark(context, place(point), size, point, colors);
    if (this.cross) drawCross(context, place(this.cross), size, colors.ink);
  }

  drawShade(colors, side) {
    const { size, shade, small } = this;
    small.width = small.height = size;
    const rgb = colors.classes.map(parts);
    const ground = parts(colors.ground);
    const image = new ImageData(size, size);
    const classes = shade.length / (size * size);
    for (let i = 0; i < size * size; i++) {
      const mix = [0, 0, 0];
      for (let c = 0; c < classes; c++) {
        const p = shade[c * size * size + i] / 255;
        for (let k = 0; k < 3; k++) mix[k] += p * rgb[c][k];
      }
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = 0.5 * ground[k] + 0.5 * mix[k];
      image.data[4 * i + 3] = 255;
    }
    small.getContext("2d").putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(small, 0, 0, side, side);
  }

  /** Where of the plane a click was. */
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const unit = box.width / (2 * this.reach);
    return [(event.clientX - box.left) / unit - this.reach, this.reach - (event.clientY - box.top) / unit];
  }
}

/** "#rrggbb" -> [r, g, b] */
const parts = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

function mark(context, [x, y], size, [, , label, held], { classes, ground, ink }) {
  context.beginPath();
  if (MARKS[label] === "circle") context.arc(x, y, size, 0, 7);
  if (MARKS[label] === "square") context.rect(x - 0.9 * size, y - 0.9 * size, 1.8 * size, 1.8 * size);
  if (MARKS[label] === "triangle") {
    context.moveTo(x, y - 1.2 * size);
    context.lineTo(x + 1.1 * size, y + 0.8 * size);
    context.lineTo(x - 1.1 * size, y + 0.8 * size);
    context.closePath();
  }
  context.fillStyle = held ? ground : classes[label];
  context.strokeStyle = held ? classes[label] : ink;
  context.lineWidth = size / (held ? 2 : 5);
  context.fill();
  context.stroke();
}

function drawCross(context, [x, y], size, ink) {
  context.strokeStyle = ink;
  context.lineWidth = size / 3;
  context.beginPath();
  context.moveTo(x - 3 * size, y);
  context.lineTo(x + 3 * size, y);
  context.moveTo(x, y - 3 * size);
  context.lineTo(x, y + 3 * size);
  context.stroke();
}
