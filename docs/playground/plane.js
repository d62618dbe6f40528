// The plane on a canvas: how sure the network is of each class, and the points.

const REACH = 1.4; // what is shown on each side of 0, at first
const MARKS = ["circle", "square", "triangle"]; // of the classes: not by color alone

export class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.small = document.createElement("canvas"); // a pixel for each point that was asked
    this.marks = document.createElement("canvas");
    this.reach = REACH;
    this.points = [];
    this.shade = null;
    this.cross = null; // where the keyboard's cross stands
    this.restyle();
  }

  /** Keep the probabilities of the classes, (K, size, size) bytes, the top row first. */
  setShade(shade, size) {
    this.shade = shade;
    if (this.image?.width === size) return;
    this.small.width = this.small.height = size;
    this.image = new ImageData(new Uint8ClampedArray(4 * size * size).fill(255), size);
  }

  /** Read the colors of the page again, and paint all. */
  restyle() {
    const style = getComputedStyle(this.canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    this.colors = { classes: [0, 1, 2].map((c) => color(`--class${c}`)), ground: color("--ground"), ink: color("--ink") };
    const ground = parts(this.colors.ground);
    // half of a class's color, half of the ground's, for each probability
    this.half = ground.map((c) => 0.5 * c);
    this.tints = this.colors.classes.map((c) => parts(c).map((part) => (0.5 * part) / 255));
    this.drawMarks();
    this.draw();
  }

  /** Show other points; `reach` is how far the plane goes on each side of 0. */
  setPoints(points, reach = this.reach) {
    this.points = points;
    this.reach = reach;
    this.drawMarks();
  }

  /** The points do not change while a network is trained: they are drawn once. */
  drawMarks() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio) || 400;
    this.canvas.width = this.canvas.height = this.marks.width = this.marks.height = side;
    const context = this.marks.getContext("2d");
    for (const point of this.points) mark(context, this.pixel(point), this.size, point, this.colors);
  }

  draw() {
    const { context, canvas, colors } = this;
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, canvas.width, canvas.width);
    if (this.shade) this.drawShade();
    context.drawImage(this.marks, 0, 0);
    if (this.cross) drawCross(context, this.pixel(this.cross), this.size, colors.ink);
  }

  /** Where of the canvas a point is. */
  pixel([x, y]) {
    const unit = this.canvas.width / (2 * this.reach);
    return [(x + this.reach) * unit, (this.reach - y) * unit];
  }

  get size() {
    return Math.max(3, this.canvas.width / 110);
  }

  drawShade() {
    const { shade, small, half, tints, canvas } = this;
    const { data } = this.image;
    const n = small.width ** 2, classes = shade.length / n;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < 3; k++) {
        let mix = half[k];
        for (let c = 0; c < classes; c++) mix += shade[c * n + i] * tints[c][k];
        data[4 * i + k] = mix;
      }
    }
    small.getContext("2d").putImageData(this.image, 0, 0);
    this.context.drawImage(small, 0, 0, canvas.width, canvas.width);
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
