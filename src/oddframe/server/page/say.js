// Says what was done: a line at the edge of the page, which readers of screens speak as well.

import { el, fill } from "./dom.js";

const LASTS_MS = 6000;
const timers = new Map();

function show(place, text, ...more) {
  clearTimeout(timers.get(place));
  fill(place, el("p", { text }), ...more);
  place.classList.add("shown");
}

function hide(place) {
  place.classList.remove("shown");
  fill(place);
}

/**
 * Say that something was done.
 *
 * @param {string} text
 * @param {HTMLElement|null} more a button beside it, such as Undo
 */
export function say(text, more = null) {
  const place = document.getElementById("said");
  show(place, text, more);
  timers.set(place, setTimeout(() => hide(place), LASTS_MS));
}

/** What went wrong is well again. */
export function calm() {
  hide(document.getElementById("wrong"));
}

/** Say that something went wrong. It stays until it is closed or something else goes wrong. */
export function complain(error) {
  const place = document.getElementById("wrong");
  const close = el("button", { type: "button", text: "Close", on: { click: () => hide(place) } });
  show(place, error instanceof Error ? error.message : String(error), close);
}
