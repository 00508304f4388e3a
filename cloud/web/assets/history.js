// The house over time: occupied seats at the end of each bucket, with a band for what is not known. A strip below says of which buckets
// samples were lost, and of which some still wait at a gateway.
export function drawHistory(canvas, history, seats, now) {
  const dpr = Math.min(window.devicePixelRatio || 1, 2), box = canvas.getBoundingClientRect();
  const w = canvas.width = Math.round(box.width * dpr), h = canvas.height = Math.round(box.height * dpr);
  const g = canvas.getContext("2d"), points = history.map((p) => ({ t: Date.parse(p.at), ...p }));
  const first = points.findIndex((p) => p.unknown < seats);
  const shown = first < 0 ? [] : points.slice(first);
  if (shown.length) Object.assign(shown[shown.length - 1], { t: Date.parse(now.as_of), occupied: now.occupied, unknown: now.unknown });
  g.font = `${11 * dpr}px system-ui, sans-serif`;
  g.fillStyle = "#8e9abb";
  if (shown.length < 2 || !seats) {
    g.fillText("not enough history yet", 4 * dpr, h / 2);
    return;
  }
  const pad = 14 * dpr, t0 = shown[0].t, t1 = shown[shown.length - 1].t;
  const x = (t) => (t - t0) / (t1 - t0 || 1) * w, y = (v) => h - pad - v / seats * (h - 2 * pad);
  g.fillStyle = "#6d4fb355";
  area(g, shown, x, (p) => y(Math.min(seats, p.occupied + p.unknown)), (p) => y(p.occupied));
  shown.forEach((p, i) => {
    if (!p.lost && !p.pending) return;
    const from = x(i ? shown[i - 1].t : t0);
    g.fillStyle = p.lost ? "#e5484d" : "#4fa3ff";
    g.fillRect(from, h - pad, Math.max(dpr, x(p.t) - from), 3 * dpr);
  });
  g.fillStyle = "#ffb45433";
  area(g, shown, x, (p) => y(p.occupied), () => y(0));
  g.beginPath();
  shown.forEach((p, i) => i ? g.lineTo(x(p.t), y(p.occupied)) : g.moveTo(x(p.t), y(p.occupied)));
  g.strokeStyle = "#ffb454";
  g.lineWidth = 2 * dpr;
  g.stroke();
  g.fillStyle = "#8e9abb";
  const clock = (t) => new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...(t1 - t0 < 600e3 ? { second: "2-digit" } : {}) });
  g.fillText(clock(t0), 0, h - 2 * dpr);
  const end = clock(t1);
  g.fillText(end, w - g.measureText(end).width, h - 2 * dpr);
}

function area(g, points, x, top, bottom) {
  g.beginPath();
  points.forEach((p, i) => i ? g.lineTo(x(p.t), top(p)) : g.moveTo(x(p.t), top(p)));
  for (const p of [...points].reverse()) g.lineTo(x(p.t), bottom(p));
  g.closePath();
  g.fill();
}
