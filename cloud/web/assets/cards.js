// The cards beside the bowl. Names come from configurations, so they are set as text, never as markup.
import { mixed, palette } from "./theme.js";

const $ = (id) => document.getElementById(id);
export const number = new Intl.NumberFormat("en-US");
export const clock = (at) => new Date(at).toLocaleTimeString();
export const plural = (n, one, many) => `${number.format(n)} ${n === 1 ? one : many}`;

// figure shows a number large, and a long one less so.
export function figure(id, n) {
  const e = $(id);
  e.textContent = number.format(n);
  e.classList.toggle("long", e.textContent.length > 7);
}

export function element(tag, cls, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}

function row(title, cells, note) {
  const r = element("div", "row"), t = element("span");
  t.append(title);
  if (typeof title === "string") t.title = title;
  r.append(t, ...cells.map(([text, cls]) => {
    const c = element("span", `n ${cls}`);
    c.append(text);
    c.title = c.textContent;
    return c;
  }));
  if (note) r.append(element("small", "", note));
  return r;
}

// sized makes a bar's part; its width is set through the object model, which the content security policy allows.
function sized(share) {
  const i = element("i");
  i.style.width = `${share * 100}%`;
  return i;
}

function dotted(good, text) { return beside(good ? "good" : "bad", text); }
function marked(text) { return beside("some", text); }

function beside(cls, text) {
  const f = document.createDocumentFragment();
  f.append(element("i", `dot ${cls}`), text);
  return f;
}

function fill(id, rows, none) {
  $(id).replaceChildren(...(rows.length ? rows : [element("p", "none", none)]));
}

export function showGates(gates) {
  $("gates").classList.toggle("wide", gates.some((g) => `${g.name || g.gate}${number.format(g.in)}${number.format(g.out)}`.length > 15));
  const most = Math.max(1, ...gates.map((g) => g.in + g.out));
  fill("gates", gates.map((g) => {
    const name = g.name || g.gate, r = row(g.uncertain ? marked(name) : name, [[number.format(g.in), "up"], [number.format(g.out), "down"]]), bar = element("div", "share");
    r.title = g.uncertain ? `${name}: not all lanes report` : name;
    for (const v of [g.in, g.out]) bar.append(sized(v / most));
    r.append(bar);
    return r;
  }), "No gate is on the map, and none has reported.");
  $("gates-note").hidden = !gates.some((g) => g.uncertain);
}

function panelCell(p) {
  if (p.value === null) return [p.unknown || "unknown", "none"];
  const v = typeof p.value === "number" ? number.format(Math.round(p.value * 10) / 10) : String(p.value);
  const f = document.createDocumentFragment();
  f.append(element("i", "leaf", `${p.point.split("/").pop()} `), `${v}${p.unit ? " " + p.unit : ""}`);
  return [f, ""];
}

export function showPanels(panels) {
  fill("panels", panels.map((p) => row(dotted(p.points.some((v) => v.value !== null), p.name || p.panel), p.points.slice(0, 2).map(panelCell))),
    "No panel is on the map, and none has reported.");
}

// gatewayNote says the worst thing about a gateway, or that it is well.
function gatewayNote(g, down) {
  const since = g.since ? ` since ${clock(g.since)}` : "";
  if (g.unaccounted_batches) return `${plural(g.unaccounted_batches, "batch", "batches")} unaccounted for`;
  if (g.state === "death") return `${g.reason === "stopped" ? "stopped" : "connection lost"}${since}`;
  if (g.state !== "birth") return "has not been heard of";
  if (down) return `${down.device}: ${down.state}${down.cause ? ", " + down.cause : ""}`;
  if (g.pending_batches) return `${plural(g.pending_batches, "batch", "batches")} pending`;
  return `clock ${g.clock || "unknown"} · ${plural(g.batches, "batch", "batches")}`;
}

export function showGateways(list) {
  fill("gateways", list.map((g) => {
    const up = g.devices.filter((d) => d.state === "up").length, down = g.devices.find((d) => d.state !== "up"), here = g.state === "birth";
    return row(dotted(here && !down, g.gateway), [here ? [`${up} of ${plural(g.devices.length, "device", "devices")}`, down ? "alarm" : ""] : ["down", "alarm"]], gatewayNote(g, down));
  }), "No gateway is configured for this venue.");
}

const brief = (s) => `${s.section || "No name"}: ${number.format(s.occupied)} of ${number.format(s.seats)} occupied${s.unknown ? `, ${number.format(s.unknown)} unknown` : ""}`;
const says = (s) => `Section ${brief(s)}`;

// Sections shows a button a section and tells choose which one is pressed. Buttons are kept from one answer to the next, so that focus is.
export class Sections {
  constructor(choose) {
    this.choose = choose;
    this.tiles = new Map();
  }

  show(sections) {
    this.last = sections;
    if (!sections.length) return this.clear("No seat is on the map.");
    const names = sections.map((s) => s.section);
    if (names.join("\n") !== [...this.tiles.keys()].join("\n")) this.build(names);
    for (const s of sections) this.paint(this.tiles.get(s.section), s);
    const s = sections.find((v) => v.section === this.chosen);
    $("section-note").textContent = s ? brief(s) : "Choose one to find it in the bowl.";
  }

  build(names) {
    this.clear("");
    for (const name of names) {
      const t = element("button", "tile", name || "–");
      t.type = "button";
      t.addEventListener("click", () => this.press(name));
      this.tiles.set(name, t);
    }
    $("sections").replaceChildren(...this.tiles.values());
  }

  clear(text) {
    this.tiles.clear();
    this.press(undefined);
    fill("sections", [], text);
  }

  press(name) {
    this.chosen = name === this.chosen ? undefined : name;
    this.choose(this.chosen);
    if (this.tiles.size) this.show(this.last);
  }

  paint(t, s) {
    const p = palette(), c = s.seats && s.unknown === s.seats ? mixed(p.unknown, p.unknown, 0) : mixed(p.free, p.occupied, s.seats ? s.occupied / s.seats : 0);
    t.style.background = c.back;
    t.style.color = c.text;
    t.classList.toggle("some", s.unknown > 0);
    t.setAttribute("aria-pressed", String(s.section === this.chosen));
    t.title = says(s);
    t.setAttribute("aria-label", says(s));
  }
}
