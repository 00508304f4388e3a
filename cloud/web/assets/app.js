// The page: reads the live stream of one venue and shows it. It asks the API like any other program would.
import { Bowl } from "./bowl.js";
import { drawHistory } from "./history.js";

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");
const rate = (v) => (v >= 10 ? number.format(Math.round(v)) : v.toFixed(1)) + "/min";
const bowl = new Bowl($("map"), $("tip"));
let venue, stream, lastEvent = 0, layer = "seats";

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function start() {
  let list;
  try {
    list = (await json("/v1/venues")).venues;
  } catch {
    link("lost", "aggregator not reached");
    setTimeout(start, 2000);
    return;
  }
  $("venue").replaceChildren(...list.map((v) => new Option(v.venue, v.venue)));
  const wanted = decodeURIComponent(location.hash.slice(1));
  open(list.some((v) => v.venue === wanted) ? wanted : list[0]?.venue);
}

async function open(id) {
  if (!id) return link("lost", "no venue configured");
  venue = id;
  $("venue").value = id;
  stream?.close();
  try {
    bowl.setMap(await json(`/v1/venues/${id}/map`));
  } catch {
    bowl.setMap({ features: [] });
  }
  stream = new EventSource(`/v1/venues/${id}/stream`);
  const on = (name, f) => stream.addEventListener(name, (e) => { lastEvent = Date.now(); link("live", "live"); f(JSON.parse(e.data)); });
  on("seats", (e) => bowl.setStates(e.states));
  on("seat-changes", (e) => bowl.change(e));
  on("summary", showSummary);
  on("gates", showGates);
  on("panels", showPanels);
  stream.onerror = () => link("lost", "stream lost, reconnecting");
  refresh();
}

function link(state, text) {
  $("link").dataset.state = state;
  $("link").textContent = text;
}

function showSummary(s) {
  $("occupied").textContent = number.format(s.occupied);
  const share = s.seats ? s.occupied / s.seats : 0;
  $("share").textContent = `of ${number.format(s.seats)} · ${(share * 100).toFixed(1)} %`;
  $("share-bar").style.width = `${share * 100}%`;
  $("inside").textContent = number.format(s.inside);
  $("unknown").textContent = number.format(s.unknown);
  $("clock").textContent = `${new Date(s.as_of).toLocaleTimeString()} · clock ${s.clock}`;
  const c = s.completeness, parts = [];
  if (c.gateways_down.length) parts.push(`<b>${c.gateways_down.length} gateway${c.gateways_down.length > 1 ? "s" : ""} down</b>`);
  if (c.unaccounted_batches) parts.push(`<b class="alarm">${number.format(c.unaccounted_batches)} batches unaccounted for</b>`);
  if (c.pending_batches) parts.push(`<b class="pending">${number.format(c.pending_batches)} batches pending</b>`);
  if (c.gaps) parts.push(`<b class="lost">${number.format(c.gaps)} gap${c.gaps > 1 ? "s" : ""}${c.lost ? `, ${number.format(c.lost)} points lost` : ""}</b>`);
  if (c.set_aside) parts.push(`<b>${number.format(c.set_aside)} set aside</b>`);
  parts.push(`${number.format(c.known)} of ${number.format(c.points)} points known`);
  $("trust").innerHTML = parts.join(" · ");
  showGateways(s.gateways);
}

// row makes one line; texts are set as text, because names come from configurations.
function row(title, cells, note, off) {
  const r = document.createElement("div");
  r.className = off ? "row off" : "row";
  const t = document.createElement("span");
  if (title instanceof Node) t.append(title); else t.textContent = title;
  r.append(t);
  for (const [text, cls] of cells) {
    const c = document.createElement("span");
    c.className = `n ${cls}`;
    c.textContent = text;
    r.append(c);
  }
  if (note) {
    const n = document.createElement("small");
    n.textContent = note;
    r.append(n);
  }
  return r;
}

// sized makes a bar's part; its width is set through the object model, which the content security policy allows.
function sized(share) {
  const i = document.createElement("i");
  i.style.width = `${share * 100}%`;
  return i;
}

function dotted(good, text) {
  const f = document.createDocumentFragment(), d = document.createElement("i");
  d.className = `dot ${good ? "good" : "bad"}`;
  f.append(d, text);
  return f;
}

function showGates(a) {
  $("in").textContent = number.format(a.in);
  $("out").textContent = number.format(a.out);
  const sum = (k) => a.gates.reduce((n, g) => n + g[k], 0);
  $("in-rate").textContent = rate(sum("in_per_minute"));
  $("out-rate").textContent = rate(sum("out_per_minute"));
  const most = Math.max(1, ...a.gates.map((g) => g.in + g.out));
  $("gates").replaceChildren(...a.gates.map((g) => {
    const r = row(g.name || g.gate, [[number.format(g.in), "up"], [number.format(g.out), "down"]], g.uncertain ? "not all lanes report" : "", g.uncertain);
    const bar = document.createElement("div");
    bar.className = "share";
    for (const v of [g.in, g.out]) bar.append(sized(v / most));
    r.append(bar);
    return r;
  }));
  bowl.setGates(a.gates);
}

const panelValue = (p) => p.value === null ? (p.unknown || "unknown") : `${typeof p.value === "number" ? Math.round(p.value * 10) / 10 : p.value}${p.unit ? " " + p.unit : ""}`;

function showPanels(a) {
  $("panels").replaceChildren(...a.panels.map((p) => row(dotted(p.points.some((v) => v.value !== null), p.name || p.panel),
    p.points.slice(0, 2).map((v) => [panelValue(v), ""]), "", false)));
  bowl.setPanels(a.panels);
}

function showGateways(list) {
  $("gateways").replaceChildren(...list.map((g) => {
    const up = g.devices.filter((d) => d.state === "up").length, down = g.devices.find((d) => d.state !== "up");
    let note = `clock ${g.clock || "unknown"} · ${number.format(g.batches)} batches`;
    if (g.pending_batches) note = `${number.format(g.pending_batches)} batches pending`;
    if (down) note = `${down.device}: ${down.state}${down.cause ? ", " + down.cause : ""}`;
    if (g.state !== "birth") note = g.reason || "no live session";
    if (g.unaccounted_batches) note = `${number.format(g.unaccounted_batches)} batches unaccounted for`;
    return row(dotted(g.state === "birth" && !down, g.gateway), [[`${up}/${g.devices.length} devices`, ""]], note, false);
  }));
}

function showSections(sections) {
  $("sections").replaceChildren(...sections.map((s) => {
    const t = document.createElement("div"), share = s.seats ? s.occupied / s.seats : 0;
    t.className = share > .45 ? "tile warm" : "tile";
    t.textContent = s.section;
    t.title = `${s.section}: ${s.occupied} of ${s.seats} occupied${s.unknown ? `, ${s.unknown} unknown` : ""}`;
    t.style.background = s.unknown === s.seats ? "var(--unknown)" : `color-mix(in srgb, var(--occupied) ${Math.round(share * 100)}%, var(--free))`;
    return t;
  }));
}

// refresh asks for what the stream does not carry.
async function refresh() {
  const of = venue;
  try {
    const from = new Date(Date.now() - 2 * 3600e3).toISOString();
    const [occ, hist] = await Promise.all([json(`/v1/venues/${of}/occupancy`), json(`/v1/venues/${of}/occupancy/history?from=${from}`)]);
    if (of !== venue) return;
    showSections(occ.sections);
    drawHistory($("history"), hist.history, occ.seats, occ);
    if (layer !== "seats") bowl.setGrid(await json(`/v1/venues/${of}/heatmaps/${layer}`));
  } catch { /* the stream's state says that the aggregator is away */ }
}

for (const b of document.querySelectorAll("[data-layer]")) {
  b.addEventListener("click", () => {
    layer = b.dataset.layer;
    for (const o of document.querySelectorAll("[data-layer]")) o.setAttribute("aria-pressed", String(o === b));
    bowl.setGrid(null);
    if (layer !== "seats") refresh();
  });
}
$("venue").addEventListener("change", (e) => { location.hash = e.target.value; open(e.target.value); });
setInterval(refresh, 2000);
setInterval(() => { if (lastEvent && Date.now() - lastEvent > 6000) link("lost", `no news for ${Math.round((Date.now() - lastEvent) / 1000)} s`); }, 1000);
start();
