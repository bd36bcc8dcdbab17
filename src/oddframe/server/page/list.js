// The list of events as it is shown: rows, groups of events that are alike, and what is chosen for a bulk mark.

import * as api from "./api.js";
import { button, el, fill } from "./dom.js";
import { sign } from "./icons.js";
import { MARKS, count, heightWords, kindWords, markWords, place, significant, timesOf, title, when } from "./words.js";

const AT_ONCE = 10; // pages that are loaded while nobody scrolls

/**
 * Shows a `Listing`. Listeners: `open(id)`, `mark(ids, what)`, `more()` where the end comes into sight, `fresh()` where
 * new events are wanted.
 */
export class List {
  constructor(place, filters, listeners) {
    this.listeners = listeners;
    this.rows = new Map(); // id -> {row, check, chip, group}
    this.groups = new Map(); // what is alike -> group
    this.chosen = new Set();
    this.current = null;
    this.highest = 0;
    this.head = el("h1", { text: "Events" });
    this.fresh = button("New events were found. Show them", () => listeners.fresh(), { class: "fresh", hidden: true });
    this.bulk = el("div", { class: "bulk", role: "group", "aria-label": "Mark what is chosen", hidden: true });
    this.items = el("ul", { class: "rows" });
    this.said = el("p", { class: "dim" });
    this.load = button("Load more events", () => listeners.more());
    this.end = el("div", { class: "end" }, this.said, this.load);
    this.alone = 0; // pages that were loaded since somebody scrolled
    fill(place, el("div", { class: "side-head" }, this.head, filters, this.fresh), this.items, this.end, this.bulk);
    this.sight = new IntersectionObserver((seen) => this.#nears(seen), { root: place, rootMargin: "600px" });
    place.addEventListener("scroll", () => { this.alone = 0; }, { passive: true });
  }

  /** Empty it. */
  reset() {
    this.rows.clear();
    this.groups.clear();
    this.highest = 0;
    this.choose([]);
    fill(this.items);
    this.tellFresh(false);
    this.alone = 0;
    this.said.textContent = "Loading events.";
    this.load.hidden = true;
  }

  /** Rows at the end. In ranked order, events that are alike and equally reviewed stand together. */
  add(events, ranked) {
    for (const event of events) {
      const key = ranked && event.alike ? `${Boolean(event.mark)} ${event.alike}` : null;
      let group = key === null ? null : this.groups.get(key);
      if (group) this.#join(group, event);
      else {
        const item = el("li", {});
        const row = this.#row(event);
        item.append(row);
        this.items.append(item);
        group = { item, ids: [event.id], more: null, rest: null };
        this.rows.get(event.id).group = group;
        if (key !== null) this.groups.set(key, group);
      }
    }
  }

  /** The numbers at the top and the bottom. */
  counted(listing) {
    const all = listing.count;
    fill(this.head, "Events ", el("small", { text: all ? `${listing.unreviewed} of ${all} to review` : "" }));
    this.said.textContent = all === 0 && !listing.more ? "No event fits. Choose other filters." : "";
    this.load.hidden = !listing.more;
    this.sight.unobserve(this.end);
    this.sight.observe(this.end); // so that it is told again where the end is in sight still
  }

  /* Where many events are alike, pages hardly make the list longer: then it goes on when somebody scrolls or asks. */
  #nears(seen) {
    if (this.load.hidden || this.alone >= AT_ONCE || !seen.some((one) => one.isIntersecting)) return;
    this.alone += 1;
    this.listeners.more();
  }

  /** An event has changed. */
  update(event) {
    const known = this.rows.get(event.id);
    if (!known) return;
    this.#chip(known, event);
    if (known.group?.more) this.#tell(known.group);
  }

  /** Show which event is open. */
  show(id) {
    this.rows.get(this.current)?.row.classList.remove("open");
    this.rows.get(this.current)?.link.removeAttribute("aria-current");
    this.current = id;
    const known = this.rows.get(id);
    if (!known) return;
    if (known.group?.rest?.hidden && known.group.ids[0] !== id) this.#unfold(known.group, true);
    known.row.classList.add("open");
    known.link.setAttribute("aria-current", "true");
    known.row.scrollIntoView({ block: "nearest" });
  }

  /** The ids of the group an event stands in, itself among them. */
  alike(id) {
    return this.rows.get(id)?.group?.ids ?? [id];
  }

  /** Fold or unfold the group of an event. */
  toggle(id) {
    const group = this.rows.get(id)?.group;
    if (group?.rest) this.#unfold(group, group.rest.hidden);
  }

  /** Choose these events and no others. */
  choose(ids) {
    const before = this.chosen;
    this.chosen = new Set(ids);
    for (const id of [...before, ...this.chosen]) {
      const known = this.rows.get(id);
      if (known) known.check.checked = this.chosen.has(id);
    }
    const groups = new Set([...before, ...this.chosen].map((id) => this.rows.get(id)?.group).filter((group) => group?.all));
    for (const group of groups) this.#tell(group);
    this.#bulk();
  }

  /** Choose an event, or choose it no longer. */
  flip(id) {
    const ids = new Set(this.chosen);
    if (!ids.delete(id)) ids.add(id);
    this.choose(ids);
  }

  /** Say whether events were found that are not in the list yet. */
  tellFresh(there) {
    this.fresh.hidden = !there;
  }

  #row(event) {
    const check = el("input", {
      type: "checkbox",
      "aria-label": `Choose ${title(event)}, ${place(event)}, ${when(event)}`,
      on: { change: () => this.flip(event.id) },
    });
    const chip = el("span", { class: "chip" });
    const picture = event.thumb
      ? el("img", { src: api.thumb(event.id), alt: "", loading: "lazy", width: "96", height: "54" })
      : el("span", { class: "nothing" }, sign(event.kind === "anomaly" ? "peak" : event.kind === "gap" ? "gap" : "fault"));
    const link = el("a", { href: `#/event/${encodeURIComponent(event.id)}` },
      picture,
      el("span", { class: "what" },
        el("strong", { text: title(event) }),
        el("span", { class: "dim" }, el("bdi", { text: place(event) }), " · ", when(event)),
        el("span", { class: "marks" }, chip, this.#height(event))));
    const row = el("div", { class: "row" }, el("label", { class: "check" }, check), link);
    const known = { row, check, chip, link, group: null };
    this.rows.set(event.id, known);
    this.#chip(known, event);
    if (event.id === this.current) row.classList.add("open");
    return row;
  }

  #height(event) {
    if (event.above === null || event.above === undefined) return el("span", { class: "dim", text: kindWords(event.kind) });
    this.highest = Math.max(this.highest, event.above); // the first of the ranked list
    const meter = el("span", { class: "meter", "aria-hidden": "true" }, el("i"));
    meter.firstChild.style.setProperty("--share", Math.max(0.02, event.above / (this.highest || 1)));
    const known = event.times !== null && event.times !== undefined;
    return el("span", { class: "height", title: heightWords(event) }, meter,
      el("span", { class: "number", text: known ? `${timesOf(event.times)} ×` : `${event.above >= 0 ? "+" : "−"}${significant(Math.abs(event.above))}` }));
  }

  #chip(known, event) {
    const name = event.mark ?? "none";
    known.chip.className = `chip ${name}`;
    fill(known.chip, sign(name), markWords(event.mark), event.found === false ? " · no longer found" : "");
    known.row.classList.toggle("done", Boolean(event.mark));
    known.marked = Boolean(event.mark);
  }

  #join(group, event) {
    if (!group.rest) {
      group.rest = el("ul", { class: "alike", hidden: true });
      group.more = button("", () => this.#unfold(group, group.rest.hidden), { class: "unfold", "aria-expanded": "false" });
      group.all = el("input", { type: "checkbox", on: { change: () => this.#chooseAll(group) } });
      group.label = el("span");
      group.item.append(
        el("div", { class: "group" }, group.more, el("label", {}, group.all, group.label)), group.rest);
    }
    group.ids.push(event.id);
    group.rest.append(el("li", {}, this.#row(event)));
    this.rows.get(event.id).group = group;
    this.#tell(group);
  }

  #tell(group) {
    const rest = group.ids.length - 1;
    group.more.firstElementChild.textContent = `${group.rest.hidden ? "Show" : "Hide"} ${rest} more like this`;
    const left = group.ids.filter((id) => !this.rows.get(id).marked).length;
    group.label.textContent = left && left < group.ids.length ? `Choose all ${group.ids.length} (${left} to review)` : `Choose all ${group.ids.length}`;
    group.all.checked = group.ids.every((id) => this.chosen.has(id));
    group.all.indeterminate = !group.all.checked && group.ids.some((id) => this.chosen.has(id));
  }

  #unfold(group, open) {
    group.rest.hidden = !open;
    group.more.setAttribute("aria-expanded", String(open));
    this.#tell(group);
  }

  #chooseAll(group) {
    const ids = new Set(this.chosen);
    for (const id of group.ids) group.all.checked ? ids.add(id) : ids.delete(id);
    this.choose(ids);
  }

  #bulk() {
    const ids = [...this.chosen];
    this.bulk.hidden = !ids.length;
    if (!ids.length) return;
    const marks = Object.entries(MARKS).map(([what, text]) =>
      button(text, () => this.listeners.mark(ids, what), { sign: sign(what), class: `mark ${what}`, key: text[0].toLowerCase() }));
    const clear = button("Clear", () => this.choose([]), { key: "Esc" });
    fill(this.bulk, el("strong", { text: `${count(ids.length, "event")} chosen` }), marks, clear);
  }
}
