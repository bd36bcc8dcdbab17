// How moments, scores, kinds and marks are written.

export const MARKS = { normal: "Normal", abnormal: "Abnormal", unsure: "Unsure" };

const KINDS = {
  anomaly: "Anomaly",
  gap: "Nothing was seen",
  moved: "The camera was moved",
  covered: "The camera was covered",
  blurred: "The picture is blurred",
  dark: "The picture is dark",
  bright: "The picture is too bright",
  frozen: "The picture is frozen",
  drift: "The usual score drifts",
};

const STATES = {
  running: "Running",
  connecting: "Connecting",
  stalled: "No pictures",
  waiting: "Waiting to try again",
  stopped: "Stopped",
  unknown: "Not known",
};

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The kind of an event in words. */
export function kindWords(kind) {
  return KINDS[kind] ?? kind;
}

/** The state of a camera in words. */
export function stateWords(state) {
  return state ? (STATES[state] ?? state) : "Not watched now";
}

/** Seconds as `0:07`, `12:30` or `2:03:04`, rounded to `decimals` decimal places. */
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const ticks = Math.round(Math.abs(seconds) * unit);
  const whole = Math.floor(ticks / unit);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  let text = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  if (decimals) text += `.${String(ticks % unit).padStart(decimals, "0")}`;
  return seconds < 0 && ticks ? `-${text}` : text;
}

/** A score with three significant digits; in the usual range without an exponent. */
export function significant(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 99.95)) return value.toPrecision(3);
  return size >= 1 && size < 1e6 ? value.toFixed(0) : value.toExponential(2);
}

/** A score in units of its threshold, as the report writes it: `1.64`, `23.4`, `512`. */
export function timesOf(value) {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value >= 0.99 && value < 1 ? "0.99" : value.toFixed(2);
}

/** How an event stands to its threshold: `9.29 times the threshold`; where its units are not known, how far above. */
export function heightWords(event) {
  if (event.times !== null && event.times !== undefined) return `${timesOf(event.times)} times the threshold`;
  return `score ${significant(Math.abs(event.above))} ${event.above >= 0 ? "above" : "below"} the threshold`;
}

/** `1 event`, `2 events`. */
export function count(number, noun) {
  return `${number.toLocaleString("en-GB")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A moment of the day, by the clock of this machine: `12:03:04`. */
export function timeOfDay(date) {
  return TIME.format(date);
}

/** A day: `1 Dec 2026`. */
export function dayOf(date) {
  return DAY.format(date);
}

/** A moment in ISO 8601 as day and time of this machine; the text itself where it is no moment. */
export function moment(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? String(iso) : `${dayOf(date)}, ${timeOfDay(date)}`;
}

/** When an event was: by the clock where that is known, otherwise in its video. */
export function when(event) {
  if (event.start_utc) return moment(event.start_utc);
  return `${clock(event.start_s, 1)} to ${clock(event.end_s, 1)}`;
}

/** Where an event was: the name of the camera or the video. */
export function place(event) {
  return event.camera ?? event.video ?? "unknown";
}

/** What an event is, in one line: what `watch` and `score` say of it in the same words, without the number that Why has. */
export function title(event) {
  return event.text ? sentence(event.text.replace(/, -?[\d.]+ standard deviations above normal/, "")) : kindWords(event.kind);
}

/** A reason with a capital letter, without the pixels of its place: the box shows them. */
export function sentence(reason) {
  const text = String(reason).replace(/ \(x \d+ to \d+, y \d+ to \d+\)/, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The mark of an event in words, for readers of screens and chips. */
export function markWords(mark) {
  return mark ? (MARKS[mark] ?? mark) : "Not reviewed";
}
