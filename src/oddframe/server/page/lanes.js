// Draws what a timeline shows: a lane of events, the curve of scores, a lane of gaps and faults, and the axis.

import { colour, sheet } from "./dom.js";
import { sign, stamp } from "./icons.js";
import { kindWords } from "./words.js";

const EVENTS = 30; // pixels of the lane of events, at the top
const FAULTS = 22; // of the lane of gaps and faults
const AXIS = 22; // of the axis, at the bottom
const HOLE = 3; // times the usual distance of scores, from which nothing was seen between two of them
const APART = 18; // between two signs of events; of those that lie closer, one is drawn

/** The sign of what an event was marked as. */
export function laneOf(event) {
  const made = sign(event.mark ?? "none");
  made.classList.add(event.mark ?? "none");
  return made;
}

/** Draw the data of `GET /api/timeline` in the stretch of a ruler. */
export function drawTimeline(canvas, ruler, data) {
  const { pen, width, height } = sheet(canvas);
  if (!width) return;
  const x = (moment) => ruler.share(moment) * width;
  const plot = { top: EVENTS, bottom: height - AXIS - FAULTS };
  const ink = { dim: colour("dim"), line: colour("line"), event: colour("event"), wash: colour("event-wash"), score: colour("score"), threshold: colour("threshold"), ink: colour("ink"), page: colour("page") };
  axis(pen, ruler, data, x, width, height, ink);
  for (const event of data.events) {
    const [from, to] = [x(event.start), x(event.end)];
    if (to < 0 || from > width) continue;
    pen.fillStyle = ink.wash;
    pen.fillRect(from, plot.top, Math.max(1.5, to - from), plot.bottom - plot.top);
    pen.fillStyle = ink.event;
    pen.fillRect(from, plot.top - 4, Math.max(2, to - from), 4);
  }
  scores(pen, ruler, data, x, plot, ink);
  signs(pen, data.events, x, width, ink);
  for (const gap of data.gaps ?? []) lane(pen, gap, x, width, plot.bottom, ink, true);
  for (const fault of data.faults ?? []) lane(pen, fault, x, width, plot.bottom, ink, false);
}

function axis(pen, ruler, data, x, width, height, ink) {
  pen.font = "12px -apple-system, 'Segoe UI', Arial, sans-serif";
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  for (const [moment, text] of ruler.marks(width / 90, data.clock === "utc")) {
    const place = x(moment);
    pen.strokeStyle = ink.line;
    pen.beginPath();
    pen.moveTo(place, EVENTS);
    pen.lineTo(place, height - AXIS);
    pen.stroke();
    pen.fillStyle = ink.dim;
    const half = pen.measureText(text).width / 2;
    pen.textAlign = "center";
    pen.fillText(text, Math.min(Math.max(place, half + 2), width - half - 2), height - AXIS / 2);
  }
}

function scores(pen, ruler, data, x, plot, ink) {
  const known = data.scores.filter((score) => score !== null);
  const top = Math.max(...known.slice(0, 50_000), data.threshold ?? 0, 1e-9) * 1.1;
  const bottom = Math.min(0, ...known.slice(0, 50_000));
  const y = (score) => plot.bottom - 2 - ((score - bottom) / (top - bottom)) * (plot.bottom - plot.top - 6);
  const wide = (data.to - data.from) / data.scores.length;
  pen.save();
  pen.beginPath();
  pen.rect(0, plot.top, x(ruler.to), plot.bottom - plot.top);
  pen.clip();
  pen.strokeStyle = ink.score;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.beginPath();
  let before = -Infinity;
  const apart = usual(data.scores);
  data.scores.forEach((score, number) => {
    if (score === null) return;
    const place = x(data.from + (number + 0.5) * wide);
    if (number - before > HOLE * apart) pen.moveTo(place - 0.5, y(score));
    pen.lineTo(place, y(score));
    before = number;
  });
  pen.stroke();
  if (data.threshold !== null && data.threshold !== undefined) {
    pen.strokeStyle = ink.threshold;
    pen.setLineDash([6, 4]);
    pen.beginPath();
    pen.moveTo(0, y(data.threshold));
    pen.lineTo(x(ruler.to), y(data.threshold));
    pen.stroke();
  }
  pen.restore();
}

/* How many bins lie between two that hold a score: where frames are rarer than bins, most bins are empty. */
function usual(scores) {
  const places = scores.flatMap((score, number) => (score === null ? [] : [number]));
  const steps = places.slice(1).map((place, at) => place - places[at]).sort((a, b) => a - b);
  return steps.length ? steps[steps.length >> 1] : 1;
}

/* Where signs would cover each other, the events that nobody has marked come first, and then the highest scores. */
function signs(pen, events, x, width, ink) {
  const taken = [];
  const order = [...events].sort((a, b) => Number(Boolean(a.mark)) - Number(Boolean(b.mark)) || (b.score ?? 0) - (a.score ?? 0));
  for (const event of order) {
    const place = (x(event.start) + x(event.end)) / 2;
    if (place < -8 || place > width + 8 || taken.some((other) => Math.abs(other - place) < APART)) continue;
    taken.push(place);
    pen.fillStyle = pen.strokeStyle = event.mark === "abnormal" || !event.mark ? ink.event : ink.ink;
    stamp(pen, event.mark ?? "none", Math.min(Math.max(place, 8), width - 8), EVENTS / 2 - 2, 15);
  }
}

function lane(pen, stretch, x, width, top, ink, gap) {
  const [from, to] = [Math.max(0, x(stretch.start)), Math.min(width, Math.max(x(stretch.end), x(stretch.start) + 3))];
  if (to < 0 || from > width) return;
  pen.save();
  pen.beginPath();
  pen.rect(from, top + 4, to - from, FAULTS - 8);
  pen.clip();
  pen.fillStyle = ink.line;
  pen.fillRect(from, top, to - from, FAULTS);
  pen.strokeStyle = gap ? ink.dim : ink.threshold;
  pen.lineWidth = gap ? 1 : 2.5;
  for (let at = from - FAULTS; at < to; at += gap ? 6 : 9) {
    pen.beginPath();
    pen.moveTo(at, gap ? top + FAULTS : top);
    pen.lineTo(at + FAULTS, gap ? top : top + FAULTS);
    pen.stroke();
  }
  pen.restore();
  const text = kindWords(stretch.kind);
  pen.textAlign = "left";
  if (pen.measureText(text).width + 12 < to - from) {
    pen.fillStyle = ink.page;
    pen.fillRect(from + 4, top + 4, pen.measureText(text).width + 8, FAULTS - 8);
    pen.fillStyle = ink.ink;
    pen.fillText(text, from + 8, top + FAULTS / 2);
  }
}
