// Why an event is one: its reasons in words, each component against what is normal, and normal moments beside it.

import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { count, sentence } from "./words.js";

const MOST = 10; // standard deviations at which a bar is full; beyond, only the number grows
const STANDS_OUT = 2; // from which a component is called unusual

/** Show the why of an event with its details into `place`. */
export function showWhy(place, event, details) {
  const reasons = (event.reasons ?? []).map((reason) => el("li", { text: sentence(reason) }));
  fill(place,
    el("h3", { text: "Why" }),
    reasons.length ? el("ul", { class: "reasons" }, reasons) : null,
    moments(event, details.normal ?? []),
    components(details.components ?? []));
}

function components(parts) {
  if (!parts.length) return el("p", { class: "dim", text: "Nothing more is known of this event." });
  const stands = ({ value }) => value === null || value === undefined || value >= STANDS_OUT;
  const usual = parts.filter((part) => !stands(part));
  return [
    el("ul", { class: "parts" }, rows(parts.filter(stands))),
    usual.length ? el("details", {}, el("summary", { text: `${count(usual.length, "component")} as usual` }), el("ul", { class: "parts" }, rows(usual))) : null,
    el("p", { class: "dim", text: "σ: standard deviations above the mean of normal video." }),
  ];
}

function rows(parts) {
  return parts.map((part) => {
    const known = part.value !== null && part.value !== undefined;
    const bar = el("span", { class: "sigma", "aria-hidden": "true" }, el("i"));
    bar.firstChild.style.setProperty("--share", known ? Math.min(1, Math.max(0, part.value / MOST)) : 0);
    const far = known ? `${part.value.toFixed(1)} σ` : "unknown";
    return el("li", { class: known && part.value >= STANDS_OUT ? "stands" : null },
      el("span", { class: "name" }, el("b", { text: part.name }), part.words ? ` ${part.words}` : ""),
      bar,
      el("span", { class: "number", text: far, "aria-label": known ? `${part.value.toFixed(1)} standard deviations above normal` : "unknown" }),
      part.normal_text ? el("span", { class: "dim usual", text: part.normal_text }) : null);
  });
}

function moments(event, normal) {
  const usable = normal.map((one) => [api.own(one.thumb), one.text]).filter(([url]) => url !== null);
  if (!usable.length) return null;
  const own = event.thumb ? el("figure", {}, el("img", { src: api.thumb(event.id), alt: "" }), el("figcaption", { text: "This event" })) : null;
  return [
    el("h4", { text: "The most similar normal moments" }),
    el("div", { class: "moments" }, own,
      usable.map(([url, text]) => el("figure", {}, el("img", { src: url, alt: "", loading: "lazy" }), el("figcaption", { text })))),
  ];
}
