// Five ways to break a training, and what mends each: settings, and how long to train.

export const PRESETS = {
  rate: {
    steps: 300,
    broken: { data: "moons", optimizer: "Momentum", lr: 1 },
    mended: { lr: 0.03 },
  },
  dead: {
    steps: 300,
    broken: { data: "moons", bias: -4 },
    mended: { bias: 0 },
  },
  center: {
    steps: 300,
    broken: { data: "moons", shift: 10, optimizer: "Momentum", lr: 0.03 },
    mended: { center: true },
  },
  zeros: {
    steps: 300,
    broken: { data: "circles", init: "zeros" },
    mended: { init: "kaiming_normal" },
  },
  overfit: {
    steps: 600,
    broken: { data: "moons", noise: 0.35, n: 80, held: 0.5, layers: [32, 32], optimizer: "AdamW", lr: 0.02, batch: 8 },
    mended: { decay: 0.5 },
  },
};
