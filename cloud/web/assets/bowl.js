// The bowl: floor, sections, seats, gates and panels of a GeoJSON map in metres, on a canvas.
// Seats are drawn once and then only where they change; a seat that was just taken glows for a moment.

import { palette, reducedMotion, shade } from "./theme.js";

const GLOW = 700, RING = 14; // ms that a seat glows; pixels that the busiest gate's ring adds to a gate
const STATES = ["unknown", "free", "occupied"];

export class Bowl {
  constructor(canvas, tip) {
    this.canvas = canvas;
    this.tip = tip;
    this.seats = [];
    this.states = "";
    this.glow = new Map();
    this.gates = new Map();
    this.panels = new Map();
    this.peak = 0;
    this.back = document.createElement("canvas");
    this.face = document.createElement("canvas");
    new ResizeObserver(() => this.layout()).observe(canvas);
    canvas.addEventListener("pointermove", (e) => this.point(e));
    canvas.addEventListener("pointerdown", (e) => this.point(e));
    for (const away of ["pointerleave", "pointercancel"]) canvas.addEventListener(away, () => { tip.hidden = true; });
  }

  setMap(map) {
    const of = (kind) => map.features.filter((f) => f.properties.kind === kind);
    const spot = (f) => ({ ...f.properties, x: f.geometry.coordinates[0], y: f.geometry.coordinates[1] });
    this.seats = of("seat").map(spot);
    this.gateSpots = of("gate").map(spot);
    this.panelSpots = of("panel").map(spot);
    this.sections = of("section").map((f) => ({ name: f.properties.section ?? f.properties.place, ring: f.geometry.coordinates[0] }));
    this.floor = of("floor").map((f) => f.geometry.coordinates[0])[0];
    this.states = new Array(this.seats.length).fill(0);
    this.grid = null;
    for (const m of [this.glow, this.gates, this.panels]) m.clear();
    this.layout();
  }

  layout() {
    const dpr = Math.min(window.devicePixelRatio || 1, 2), box = this.canvas.getBoundingClientRect();
    const w = Math.round(box.width * dpr), h = Math.round(box.height * dpr);
    if (!w || !h || !this.sections) return;
    for (const c of [this.canvas, this.back, this.face]) { c.width = w; c.height = h; }
    const xs = [], ys = [];
    for (const s of [...this.seats, ...this.gateSpots, ...this.panelSpots]) { xs.push(s.x); ys.push(s.y); }
    for (const o of [...this.sections.map((v) => v.ring), ...(this.floor ? [this.floor] : [])]) for (const [x, y] of o) { xs.push(x); ys.push(y); }
    if (!xs.length) {
      this.scale = 0;
      return this.canvas.getContext("2d").clearRect(0, 0, w, h);
    }
    const lo = (a) => a.reduce((m, v) => Math.min(m, v), Infinity), hi = (a) => a.reduce((m, v) => Math.max(m, v), -Infinity);
    const x0 = lo(xs), x1 = hi(xs), y0 = lo(ys), y1 = hi(ys), edge = Math.min(24 * dpr, w / 20);
    this.dpr = dpr;
    this.scale = Math.min((w - 2 * edge) / (x1 - x0 || 1), (h - 2 * edge) / (y1 - y0 || 1));
    this.ox = w / 2 - this.scale * (x0 + x1) / 2;
    this.oy = h / 2 + this.scale * (y0 + y1) / 2;
    this.drawBack();
    this.drawSeats();
    this.paint();
  }

  px(x) { return this.ox + x * this.scale; }
  py(y) { return this.oy - y * this.scale; }

  outline(g, ring) {
    g.beginPath();
    ring.forEach(([x, y], i) => i ? g.lineTo(this.px(x), this.py(y)) : g.moveTo(this.px(x), this.py(y)));
    g.closePath();
  }

  drawBack() {
    const g = this.back.getContext("2d");
    g.clearRect(0, 0, this.back.width, this.back.height);
    g.lineWidth = this.dpr;
    g.fillStyle = palette().section;
    g.strokeStyle = palette().edge;
    for (const s of this.sections) {
      this.outline(g, s.ring);
      g.fill();
      g.stroke();
    }
    if (this.floor) this.drawFloor(g);
  }

  drawFloor(g) {
    this.outline(g, this.floor);
    g.fillStyle = palette().floor;
    g.fill();
    g.strokeStyle = palette().boards;
    g.lineWidth = 1.5 * this.dpr;
    g.stroke();
    const xs = this.floor.map((p) => p[0]), ys = this.floor.map((p) => p[1]);
    const l = Math.min(...xs), r = Math.max(...xs), b = Math.min(...ys), t = Math.max(...ys);
    g.beginPath();
    g.moveTo(this.px(0), this.py(b));
    g.lineTo(this.px(0), this.py(t));
    g.moveTo(this.px(1.83), this.py(0));
    g.arc(this.px(0), this.py(0), 1.83 * this.scale, 0, 7);
    for (const end of [l, r]) { // the keys and three-point arcs of a basketball floor
      const to = Math.sign(end) * -1;
      g.rect(this.px(Math.min(end, end + to * 5.8)), this.py(2.45), 5.8 * this.scale, 4.9 * this.scale);
      g.moveTo(this.px(end + to * 1.6), this.py(6.7));
      g.ellipse(this.px(end + to * 1.6), this.py(0), 7.24 * this.scale, 6.7 * this.scale, 0, -Math.PI / 2, Math.PI / 2, to < 0);
    }
    g.save();
    g.clip();
    g.restore();
    g.strokeStyle = palette().marks;
    g.lineWidth = this.dpr;
    g.stroke();
  }

  seat(g, i, color) {
    const s = this.seats[i], d = Math.max(1, .42 * this.scale);
    g.fillStyle = color;
    g.fillRect(this.px(s.x) - d / 2, this.py(s.y) - d / 2, d, d);
  }

  drawSeats() {
    const g = this.face.getContext("2d");
    g.clearRect(0, 0, this.face.width, this.face.height);
    for (let state = 0; state < 3; state++) {
      for (let i = 0; i < this.seats.length; i++) if (this.states[i] === state) this.seat(g, i, palette()[STATES[state]]);
    }
  }

  setStates(states) {
    this.states = [...states].map(Number);
    this.glow.clear();
    this.drawSeats();
    this.paint();
  }

  change({ free = [], occupied = [], unknown = [] }) {
    const g = this.face.getContext("2d"), now = performance.now(), still = reducedMotion();
    [unknown, free, occupied].forEach((list, state) => {
      for (const i of list) {
        this.states[i] = state;
        if (!this.scale || !this.seats[i]) continue;
        this.seat(g, i, palette()[STATES[state]]);
        if (state === 2 && !still) this.glow.set(i, now); else this.glow.delete(i);
      }
    });
    this.paint();
  }

  setGates(list) {
    this.peak = list.reduce((m, g) => Math.max(m, g.in_per_minute, g.out_per_minute), Math.max(20, this.peak * .98));
    for (const g of list) this.gates.set(g.gate, g);
    this.paint();
  }

  setPanels(list) { for (const p of list) this.panels.set(p.panel, p); this.paint(); }

  // setGrid shows a layer in the place of the seats. Until its first grid comes, none shows.
  setGrid(grid, layer = Boolean(grid)) {
    this.grid = grid;
    this.layer = layer;
    this.paint();
  }

  // mark outlines a section, or none.
  mark(name) {
    this.marked = name;
    this.paint();
  }

  paint() {
    if (!this.queued) {
      this.queued = true;
      requestAnimationFrame(() => { this.queued = false; this.frame(); });
    }
  }

  frame() {
    if (!this.scale) return;
    const g = this.canvas.getContext("2d"), now = performance.now();
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.drawImage(this.back, 0, 0);
    if (this.grid) this.drawGrid(g); else if (!this.layer) g.drawImage(this.face, 0, 0);
    if (!this.layer) for (const [i, at] of this.glow) {
      const age = (now - at) / GLOW;
      if (age >= 1) { this.glow.delete(i); continue; }
      g.globalAlpha = 1 - age;
      this.seat(g, i, palette().flash);
    }
    g.globalAlpha = 1;
    for (const s of this.sections) if (this.marked !== undefined && s.name === this.marked) {
      this.outline(g, s.ring);
      for (const [color, width] of [[palette().card, 6], [palette().text, 2.5]]) { // seen on dark and on light cells
        g.strokeStyle = color;
        g.lineWidth = width * this.dpr;
        g.stroke();
      }
    }
    this.drawSpots(g);
    if (this.glow.size) this.paint();
  }

  drawGrid(g) {
    const { values, width, height, cell_m: cell, x0_m: x0, y0_m: y0, max } = this.grid, size = Math.ceil(cell * this.scale) + 1;
    for (let r = 0; r < height; r++) for (let c = 0; c < width; c++) {
      const v = values[r * width + c];
      if (v === null) continue;
      g.fillStyle = shade(max ? v / max : 0);
      g.fillRect(Math.floor(this.px(x0 + c * cell)), Math.floor(this.py(y0 + (r + 1) * cell)), size, size);
    }
  }

  drawSpots(g) {
    const c = palette(), d = this.dpr, k = Math.max(.5, Math.min(1.4, this.scale / d / 5));
    for (const s of this.gateSpots) {
      const n = this.gates.get(s.place), x = this.px(s.x), y = this.py(s.y);
      const ring = (v, color) => {
        if (!v) return;
        g.beginPath();
        g.arc(x, y, (4 + RING * Math.sqrt(Math.min(1, v / this.peak))) * d * k, 0, 7);
        g.strokeStyle = color;
        g.lineWidth = 2 * d * Math.min(1, k * 1.3);
        g.stroke();
      };
      ring(n?.in_per_minute, c.in);
      ring(n?.out_per_minute, c.out);
      g.beginPath();
      g.arc(x, y, 3 * d * k, 0, 7);
      g.fillStyle = n && !n.uncertain ? c.gate : c.unknown;
      g.fill();
    }
    for (const s of this.panelSpots) {
      const known = this.panels.get(s.place)?.points.some((p) => p.value !== null);
      g.fillStyle = known ? c.panel : c.unknown;
      g.fillRect(this.px(s.x) - 5 * d * k, this.py(s.y) - 2 * d * k, 10 * d * k, 4 * d * k);
    }
  }

  // point shows what lies under the pointer.
  point(e) {
    if (!this.scale) return;
    const box = this.canvas.getBoundingClientRect();
    const x = ((e.clientX - box.left) * this.dpr - this.ox) / this.scale, y = (this.oy - (e.clientY - box.top) * this.dpr) / this.scale;
    let best = null, near = 1.2;
    const try_ = (s, text, reach) => { const d = Math.hypot(s.x - x, s.y - y) / reach; if (d < near) { near = d; best = text; } };
    this.seats.forEach((s, i) => try_(s, () => `section ${s.section}, row ${s.row}, seat ${s.seat} · ${STATES[this.states[i]]}`, .6));
    for (const s of this.gateSpots) try_(s, () => { const n = this.gates.get(s.place); return `${s.name || s.place} · ${n ? `${n.in} in, ${n.out} out` : "no figures"}`; }, 2);
    for (const s of this.panelSpots) try_(s, () => s.name || s.place, 2);
    this.tip.hidden = !best;
    if (!best) return;
    this.tip.textContent = best();
    const around = this.tip.parentElement.getBoundingClientRect(), at = e.clientX - around.left;
    this.tip.style.left = `${Math.max(4, Math.min(at + 12, around.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${e.clientY - around.top + 14}px`;
  }
}
