// The canvases take their colours from the style sheet, so that each scheme is described in one place.
const NAMES = ["card", "line", "text", "dim", "section", "edge", "floor", "boards", "marks", "free", "occupied", "unknown", "flash", "in", "out", "gate", "panel", "bad", "pending"];
const RAMP = [[24, 28, 60], [62, 32, 110], [120, 36, 130], [180, 48, 120], [226, 78, 92], [250, 130, 70], [254, 188, 84], [252, 240, 168]];
const light = matchMedia("(prefers-color-scheme: light)"), calm = matchMedia("(prefers-reduced-motion: reduce)");
const listeners = [];
let known;

// palette returns the colours of the present scheme by name.
export function palette() {
  if (!known) {
    const style = getComputedStyle(document.documentElement);
    known = Object.fromEntries(NAMES.map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
  }
  return known;
}

export const onScheme = (f) => listeners.push(f);
export const reducedMotion = () => calm.matches;

light.addEventListener("change", () => { known = undefined; listeners.forEach((f) => f()); });

// shade is the colour of v from 0 to 1 in a heatmap; little stands back, much stands out, on either background.
export function shade(v) {
  const ramp = light.matches ? [...RAMP].reverse() : RAMP;
  const f = Math.max(0, Math.min(1, v)) * (ramp.length - 1), i = Math.min(Math.floor(f), ramp.length - 2), k = f - i;
  return `rgb(${ramp[i].map((a, n) => Math.round(a * (1 - k) + ramp[i + 1][n] * k)).join(" ")})`;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// mixed returns the colour between a and b, and black or white, whichever reads better on it: at least 4.5 to 1.
export function mixed(a, b, share) {
  const to = rgb(b), c = rgb(a).map((v, i) => Math.round(v * (1 - share) + to[i] * share));
  const [r, g, bl] = c.map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return { back: `rgb(${c.join(" ")})`, text: .2126 * r + .7152 * g + .0722 * bl > .1791 ? "#000" : "#fff" };
}
