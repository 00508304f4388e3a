// The page: reads the live stream of one venue and shows it. It asks the API like any other program would.
import { Bowl } from "./bowl.js";
import { Sections, clock, element, figure, number, plural, showGates, showGateways, showPanels } from "./cards.js";
import { drawHistory } from "./history.js";
import { onScheme, shade } from "./theme.js";

const SILENT = 6000, DEAD = 20000; // ms without news until the page says so, and until it asks for a new stream
const $ = (id) => document.getElementById(id);
const rate = (v) => "· " + (v >= 10 || v === 0 ? number.format(Math.round(v)) : v.toFixed(1)) + "/min";
const bowl = new Bowl($("map"), $("tip"));
const sections = new Sections((name) => bowl.mark(name));
let venue, layers = {}, stream, retry, lastEvent = 0, asOf, layer = "seats", past = [], wholeAt = 0, house;

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw Object.assign(new Error(`${path}: ${answer.status}`), { status: answer.status });
  return answer.json();
}

async function start() {
  let list;
  try {
    list = (await json("/v1/venues")).venues;
  } catch {
    link("lost", "aggregator not reached");
    retry = setTimeout(start, 2000);
    return;
  }
  layers = Object.fromEntries(list.map((v) => [v.venue, v.layers]));
  $("venue").replaceChildren(...list.map((v) => new Option(v.venue, v.venue)));
  const wanted = decodeURIComponent(location.hash.slice(1));
  open(list.some((v) => v.venue === wanted) ? wanted : list[0]?.venue);
}

// open shows a venue: its map first, then its stream. What cannot be had now is asked for again.
async function open(id) {
  close();
  if (!id) {
    link("lost", "no venue configured");
    return empty("The aggregator has no venue: add one to its configuration under venues.");
  }
  if (id !== venue) past = [];
  venue = id;
  $("venue").value = id;
  document.title = `${id} · Courtside`;
  $("layers").hidden = !layers[id]?.length;
  let map = { features: [] };
  try {
    map = await json(`/v1/venues/${encodeURIComponent(id)}/map`);
    empty("");
  } catch (err) {
    if (err.status !== 404) return again(id);
    empty(`${id} has no map, so its seats cannot be drawn. Name a GeoJSON file as map of the venue in the aggregator's configuration.`);
  }
  if (id !== venue) return;
  bowl.setMap(map);
  listen(id);
  wholeAt = 0;
  refresh();
}

function listen(id) {
  close();
  const s = stream = new EventSource(`/v1/venues/${encodeURIComponent(id)}/stream`);
  const on = (name, f) => s.addEventListener(name, (e) => {
    if (s !== stream) return;
    lastEvent = Date.now();
    link("live", "live");
    f(JSON.parse(e.data));
  });
  on("seats", (e) => bowl.setStates(e.states));
  on("seat-changes", (e) => bowl.change(e));
  on("summary", showSummary);
  on("gates", (a) => {
    showRates(a);
    showGates(a.gates);
    bowl.setGates(a.gates);
  });
  on("panels", (a) => {
    showPanels(a.panels);
    bowl.setPanels(a.panels);
  });
  s.onerror = () => {
    if (s !== stream) return;
    link("lost", "stream lost, reconnecting");
    if (s.readyState === EventSource.CLOSED) again(id); // an answer that is no stream: the browser gives up for good
  };
}

function close() {
  clearTimeout(retry);
  stream?.close();
  stream = undefined;
}

function again(id) {
  link("lost", "stream lost, reconnecting");
  clearTimeout(retry);
  retry = setTimeout(() => id === venue && open(id), 2000 + Math.random() * 1000);
}

function empty(text) {
  $("empty").hidden = !text;
  $("empty").textContent = text;
}

// link says whether what is shown is live. What is not is shown as such, with its time.
function link(state, text) {
  const changed = $("link").dataset.state !== state;
  if ($("link").textContent !== text) $("link").textContent = text;
  if (!changed) return;
  $("link").dataset.state = state;
  const stale = state === "lost" && asOf;
  document.body.toggleAttribute("data-stale", Boolean(stale));
  $("stale").hidden = !stale;
  $("stale").textContent = stale ? `Not live: nothing comes from the aggregator. Everything below is as it was at ${clock(asOf)}.` : "";
}

function showSummary(s) {
  asOf = s.as_of;
  const share = s.seats ? s.occupied / s.seats : 0, percent = (share * 100).toFixed(1);
  figure("occupied", s.occupied);
  $("share").textContent = s.seats ? `of ${number.format(s.seats)} · ${percent} %` : "";
  $("share-bar").style.width = `${share * 100}%`;
  figure("inside", s.inside);
  figure("unknown", s.unknown);
  $("unknown-figure").classList.toggle("some", s.unknown > 0);
  $("clock").hidden = false;
  $("clock").textContent = `${clock(s.as_of)} · clock ${s.clock}`;
  $("clock").title = `When this was evaluated. The newest samples are dated by: ${s.clock}`;
  $("map").setAttribute("aria-label", `The bowl: ${number.format(s.occupied)} of ${number.format(s.seats)} seats occupied, ${number.format(s.free)} free, ${number.format(s.unknown)} unknown`);
  showTrust(s.completeness);
  showGateways(s.gateways);
}

// showTrust says how complete the figures are, the worst first.
function showTrust(c) {
  const parts = [], say = (cls, text) => parts.push(element("b", cls, text));
  if (c.gateways_down.length) say("", c.gateways_down.length > 2 ? `${c.gateways_down.length} gateways down` : `${c.gateways_down.join(", ")} down`);
  if (c.unaccounted_batches) say("alarm", `${plural(c.unaccounted_batches, "batch", "batches")} unaccounted for`);
  if (c.pending_batches) say("pending", `${plural(c.pending_batches, "batch", "batches")} pending`);
  if (c.gaps) say("lost", plural(c.gaps, "gap", "gaps") + (c.lost ? `, ${plural(c.lost, "point", "points")} lost` : ""));
  if (c.set_aside) say("", `${plural(c.set_aside, "record", "records")} set aside`);
  parts.push(`${number.format(c.known)} of ${plural(c.points, "point", "points")} known`);
  $("trust").replaceChildren(...parts.flatMap((p, i) => i ? [" · ", p] : [p]));
}

function showRates(a) {
  const sum = (k) => a.gates.reduce((n, g) => n + g[k], 0);
  figure("in", a.in);
  figure("out", a.out);
  $("in-rate").textContent = rate(sum("in_per_minute"));
  $("out-rate").textContent = rate(sum("out_per_minute"));
}

// askHistory asks for the last two hours now and then, because late data changes the past, and for the newest buckets in between.
async function askHistory(of) {
  const whole = !past.length || Date.now() - wholeAt > 30000, from = whole ? new Date(Date.now() - 2 * 3600e3).toISOString() : past[Math.max(0, past.length - 6)].at;
  const { history } = await json(`${of}/occupancy/history?from=${encodeURIComponent(from)}`);
  if (whole) wholeAt = Date.now();
  const begin = history.length ? Date.parse(history[0].at) : Infinity;
  return whole ? history : [...past.filter((p) => Date.parse(p.at) < begin), ...history];
}

// refresh asks for what the stream does not carry.
async function refresh() {
  const id = venue, shown = layer, of = `/v1/venues/${encodeURIComponent(id)}`;
  if (!id || document.hidden) return;
  try {
    const [occ, hist] = await Promise.all([json(`${of}/occupancy`), askHistory(of)]);
    if (id !== venue) return;
    past = hist;
    house = occ;
    sections.show(occ.sections);
    drawHouse();
    if (shown === "seats" || !layers[id]?.includes(shown)) return;
    const grid = await json(`${of}/heatmaps/${shown}`);
    if (id !== venue || shown !== layer) return;
    bowl.setGrid(grid);
    showScale(grid);
  } catch { /* the stream's state says that the aggregator is away */ }
}

function drawHouse() {
  if (!house) return;
  const shown = drawHistory($("history"), past, house.seats, house);
  $("key-unknown").hidden = !shown.some((p) => p.unknown);
  $("key-lost").hidden = !shown.some((p) => p.lost);
  $("key-pending").hidden = !shown.some((p) => p.pending);
}

// showScale says what a layer's colours mean.
function showScale(grid) {
  const share = grid.unit === "1", most = number.format(Math.round(grid.max * (share ? 100 : 10)) / (share ? 1 : 10));
  $("scale-from").textContent = share ? "0 %" : "0";
  $("scale-to").textContent = grid.max ? `${most} ${share ? "%" : grid.unit.replace("1/", "per ")}` : "nothing at present";
  $("scale").style.background = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, i) => shade(i / 8)).join(", ")})`;
}

function choose(name) {
  layer = name;
  for (const o of document.querySelectorAll("[data-layer]")) o.setAttribute("aria-pressed", String(o.dataset.layer === name));
  for (const l of document.querySelectorAll("[data-for]")) l.hidden = (l.dataset.for === "seats") !== (name === "seats");
  $("scale-to").textContent = "";
  bowl.setGrid(null, name !== "seats");
  if (name !== "seats") refresh();
}

for (const b of document.querySelectorAll("[data-layer]")) b.addEventListener("click", () => choose(b.dataset.layer));
$("venue").addEventListener("change", (e) => { location.hash = encodeURIComponent(e.target.value); });
addEventListener("hashchange", () => {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (wanted in layers && wanted !== venue) open(wanted);
});
document.addEventListener("visibilitychange", refresh);
new ResizeObserver(drawHouse).observe($("history"));
onScheme(() => {
  bowl.layout();
  drawHouse();
  refresh();
});
setInterval(refresh, 2000);
setInterval(() => {
  const quiet = lastEvent && Date.now() - lastEvent;
  if (quiet > SILENT) link("lost", `no news for ${Math.round(quiet / 1000)} s`);
  if (quiet > DEAD && stream) { // a connection that died without a word, as after a sleep
    lastEvent = Date.now() - SILENT;
    again(venue);
  }
}, 1000);
start();
