// The house over time: occupied seats at the end of each bucket, with a band for what is not known. A strip below says of which buckets
// samples were lost, and of which some still wait at a gateway.
import { palette } from "./theme.js";

const compact = new Intl.NumberFormat("en-US", { notation: "compact" });

// drawHistory returns what it has drawn.
export function drawHistory(canvas, history, seats, now) {
  const dpr = Math.min(window.devicePixelRatio || 1, 2), box = canvas.getBoundingClientRect(), c = palette();
  const w = canvas.width = Math.round(box.width * dpr), h = canvas.height = Math.round(box.height * dpr);
  const g = canvas.getContext("2d"), points = history.map((p) => ({ t: Date.parse(p.at), ...p }));
  const first = points.findIndex((p) => p.unknown < seats), shown = first < 0 ? [] : points.slice(first);
  if (shown.length) Object.assign(shown[shown.length - 1], { t: Date.parse(now.as_of), occupied: now.occupied, unknown: now.unknown });
  g.font = `${11 * dpr}px system-ui, sans-serif`;
  g.fillStyle = c.dim;
  if (shown.length < 2 || !seats) {
    g.fillText(seats ? "not enough history yet" : "no seats, no history", 0, h / 2);
    return [];
  }
  const pad = 17 * dpr, left = Math.ceil(Math.max(...[seats / 2, seats].map((v) => g.measureText(compact.format(v)).width))) + 6 * dpr, t0 = shown[0].t, t1 = shown[shown.length - 1].t;
  const x = (t) => left + (t - t0) / (t1 - t0 || 1) * (w - left), y = (v) => h - pad - v / seats * (h - pad - 10 * dpr);
  grid(g, c, dpr, [0, seats / 2, seats], y, left, w);
  g.globalAlpha = .35;
  g.fillStyle = c.unknown;
  area(g, shown, x, (p) => y(Math.min(seats, p.occupied + p.unknown)), (p) => y(p.occupied));
  g.globalAlpha = .2;
  g.fillStyle = c.occupied;
  area(g, shown, x, (p) => y(p.occupied), () => y(0));
  g.globalAlpha = 1;
  shown.forEach((p, i) => {
    if (!p.lost && !p.pending) return;
    const from = x(i ? shown[i - 1].t : t0);
    g.fillStyle = p.lost ? c.bad : c.pending;
    g.fillRect(from, h - pad, Math.max(dpr, x(p.t) - from), 3 * dpr);
  });
  g.beginPath();
  shown.forEach((p, i) => i ? g.lineTo(x(p.t), y(p.occupied)) : g.moveTo(x(p.t), y(p.occupied)));
  g.strokeStyle = c.occupied;
  g.lineWidth = 2 * dpr;
  g.stroke();
  g.fillStyle = c.dim;
  const time = (t) => new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...(t1 - t0 < 600e3 ? { second: "2-digit" } : {}) });
  g.fillText(time(t0), left, h - 2 * dpr);
  const end = time(t1);
  g.fillText(end, w - g.measureText(end).width, h - 2 * dpr);
  canvas.setAttribute("aria-label", `Occupied seats from ${time(t0)} to ${end}: now ${now.occupied} of ${seats}, at most ${shown.reduce((m, p) => Math.max(m, p.occupied), 0)}`
    + `${shown.some((p) => p.lost) ? "; samples were lost" : ""}${shown.some((p) => p.pending) ? "; samples are pending" : ""}`);
  return shown;
}

// grid draws a line and a figure for each of the values.
function grid(g, c, dpr, values, y, left, w) {
  g.lineWidth = dpr;
  g.strokeStyle = c.line;
  g.fillStyle = c.dim;
  for (const v of values) {
    const at = Math.round(y(v)) + dpr / 2, text = compact.format(v);
    g.beginPath();
    g.moveTo(left, at);
    g.lineTo(w, at);
    g.stroke();
    g.fillText(text, left - 6 * dpr - g.measureText(text).width, at + 4 * dpr);
  }
}

function area(g, points, x, top, bottom) {
  g.beginPath();
  points.forEach((p, i) => i ? g.lineTo(x(p.t), top(p)) : g.moveTo(x(p.t), top(p)));
  for (const p of [...points].reverse()) g.lineTo(x(p.t), bottom(p));
  g.closePath();
  g.fill();
}
