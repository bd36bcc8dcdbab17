// What the list shows: camera or video, kind, mark, time, and the order.

import { el, fill } from "./dom.js";
import { MARKS, kindWords } from "./words.js";

const ALL_KINDS = ["anomaly", "gap", "moved", "covered", "blurred", "dark", "bright", "frozen", "drift"];

/** The form above the list. `apply(filters)` is called when something else is wanted. */
export class Filters {
  constructor(apply) {
    this.apply = apply;
    this.source = this.#choice("Camera or video", [["", "All"]]);
    this.kind = this.#choice("Kind", [["", "All"], ...ALL_KINDS.map((kind) => [kind, kindWords(kind)])]);
    this.mark = this.#choice("Mark", [
      ["", "All"], ["none", "Not reviewed"], ["any", "Reviewed"], ...Object.entries(MARKS),
    ]);
    this.order = this.#choice("Order", [["rank", "Farthest above the threshold"], ["time", "By time"]]);
    this.since = this.#moment("From");
    this.until = this.#moment("Until");
    const clear = el("button", { type: "button", text: "Show all", on: { click: () => this.clear() } });
    this.tally = el("span", { class: "chosen" });
    this.more = el("details", { class: "filters" },
      el("summary", {}, "Filter", this.tally),
      el("form", { on: { submit: (happens) => happens.preventDefault(), change: () => this.#changed() } },
        ...[this.source, this.kind, this.mark, this.order, this.since, this.until].map((field) => field.label),
        el("p", { class: "dim", text: "Times are those of this machine, and hold for cameras alone." }), clear));
    this.element = this.more;
  }

  #choice(name, options) {
    const input = el("select", {}, options.map(([value, text]) => el("option", { value, text })));
    return { input, label: el("label", {}, el("span", { text: name }), input) };
  }

  #moment(name) {
    const input = el("input", { type: "datetime-local", step: "1" });
    return { input, label: el("label", {}, el("span", { text: name }), input) };
  }

  /** What `GET /api/events` takes. */
  get values() {
    const iso = (field) => (field.input.value ? new Date(field.input.value).toISOString() : "");
    return {
      source: this.source.input.value,
      kind: this.kind.input.value,
      mark: this.mark.input.value,
      order: this.order.input.value,
      since: iso(this.since),
      until: iso(this.until),
    };
  }

  /** The cameras and videos there are. */
  setSources(sources) {
    const chosen = this.source.input.value;
    const kinds = [["camera", "Cameras"], ["video", "Videos"]].map(([kind, name]) => {
      const own = sources.filter((one) => one.kind === kind);
      const options = own.map((one) => el("option", { value: one.source, text: `${one.name} (${one.unreviewed} of ${one.events} to review)` }));
      return own.length ? el("optgroup", { label: name }, options) : null;
    });
    fill(this.source.input, el("option", { value: "", text: "All" }), kinds);
    this.source.input.value = chosen;
    if (this.source.input.value !== chosen) this.source.input.value = ""; // it is gone
  }

  /** Show one camera or video alone. */
  only(source) {
    this.#empty();
    this.source.input.value = source;
    this.#changed();
  }

  /** Show everything. */
  clear() {
    this.#empty();
    this.#changed();
  }

  #empty() {
    for (const field of [this.source, this.kind, this.mark, this.since, this.until]) field.input.value = "";
  }

  #changed() {
    const { order, ...filters } = this.values;
    const set = Object.values(filters).filter(Boolean).length;
    this.tally.textContent = set ? `${set} on` : "";
    this.apply({ order, ...filters });
  }
}
