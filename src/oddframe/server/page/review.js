// The view of events: the list, the event that is open, and the way from one decision to the next.

import * as api from "./api.js";
import { EventView } from "./event.js";
import { Filters } from "./filters.js";
import { List } from "./list.js";
import { Listing } from "./listing.js";
import { Marker } from "./marker.js";
import { complain, say } from "./say.js";
import { MARKS } from "./words.js";

const WAIT_MS = 1000; // in which changes are gathered before they are asked for
const MOST_ASKED = 20; // events of one such round
const NARROW = matchMedia("(max-width: 55.99rem)");

/** Everything that happens among list, event and marks. `counted(unreviewed)` is told how many are left. */
export class Review {
  constructor(section, counted) {
    this.section = section;
    this.current = null;
    this.changed = new Set();
    this.timer = null;
    this.filters = new Filters((filters) => this.load(filters));
    this.listing = new Listing({
      settled: () => this.marker.queue,
      reset: () => this.list.reset(),
      added: (events) => this.list.add(events, this.listing.filters.order === "rank"),
      changed: (event) => {
        this.list.update(event);
        this.view.update(event);
      },
      counted: () => {
        this.list.counted(this.listing);
        counted(this.listing.unreviewed);
      },
    });
    this.list = new List(section.querySelector("#list"), this.filters.element, {
      mark: (ids, what) => this.markMany(ids, what),
      more: () => this.#tell(this.listing.loadMore()),
      fresh: () => this.load(this.listing.filters),
    });
    this.view = new EventView(section.querySelector("#event"), {
      mark: (what) => this.mark(what),
      undo: () => this.undo(),
      note: (text) => this.current && this.marker.mark([this.current], this.listing.events.get(this.current)?.mark ?? this.view.event.mark, text),
      back: () => go("#/events"),
      step: (by) => this.step(by),
      zone: (id, corners) => this.#zone(id, corners),
      endZone: (zone) => this.#endZone(zone),
      loaded: () => this.#warm(),
    });
    this.marker = new Marker(this.listing, (ids) => ids.includes(this.current) || go(address(ids[0])));
  }

  /** Load the list. Where there is room for both, the first event that nobody has marked is opened. */
  async load(filters = this.filters.values) {
    await this.#tell(this.listing.reload(filters));
    if (NARROW.matches || this.section.hidden || this.section.dataset.pane === "event") {
      if (this.current) this.list.show(this.current);
      return;
    }
    await this.#openNext(null);
  }

  /** Show the list, or this event. */
  async open(id) {
    this.section.dataset.pane = id === null ? "list" : "event";
    if (id === null) {
      this.list.show(this.current);
      if (!NARROW.matches && this.current === null && this.listing.events.size) await this.#openNext(null);
      return;
    }
    if (id === this.current && this.view.event) return;
    this.current = id;
    this.list.show(id);
    await this.view.show(id, this.listing.events.get(id) ?? null);
  }

  /** Another store is shown from now on: what was open, chosen or done last belongs to the one before. */
  forget() {
    this.current = null;
    this.changed.clear();
    this.list.choose([]);
    this.marker.forget();
    this.view.showNone("No event is open.");
  }

  /** Go `by` events on in the list. */
  async step(by) {
    const next = await this.#tell(this.listing.beside(this.current, by));
    if (next) go(address(next));
    else say(by > 0 ? "This is the last event." : "This is the first event.");
  }

  /** Mark what is chosen, or else the event that is open, and show the next one that nobody has marked. */
  async mark(what) {
    if (this.list.chosen.size) return this.markMany([...this.list.chosen], what);
    if (!this.current || !this.view.event) return;
    const [id, note] = [this.current, this.view.note.value.trim()];
    this.marker.mark([id], what, note);
    await this.#openNext(id);
  }

  /** Mark many events. */
  async markMany(ids, what) {
    this.marker.mark(ids, what);
    this.list.choose([]);
    if (!this.current || ids.includes(this.current)) await this.#openNext(this.current);
  }

  /** Mark all events that are alike the open one and that nobody has marked. */
  markAlike(what) {
    const ids = this.list.alike(this.current).filter((id) => id === this.current || !this.listing.events.get(id).mark);
    return this.current ? this.markMany(ids, what) : null;
  }

  /** Take back what was done last. */
  undo() {
    return this.marker.undo(this.view.event);
  }

  async #openNext(id) {
    const next = await this.#tell(this.listing.nextUnreviewed(id));
    if (next) go(address(next));
    else if (this.listing.events.size && id !== null) {
      say("Every event of this list is reviewed.");
      if (NARROW.matches) go("#/events");
    } else if (!this.listing.events.size) {
      this.current = null;
      this.view.showNone("No event fits.");
    } else if (this.current === null) go(address(this.listing.ids[0]));
  }

  #warm() {
    const { ids, events } = this.listing;
    const next = ids.slice(ids.indexOf(this.current) + 1).find((id) => !events.get(id).mark);
    if (next && events.get(next).media) api.warm(next);
  }

  async #zone(id, corners) {
    try {
      const { number } = await api.addZone(id, corners);
      this.marker.remember("Places like this are ignored from the next learning on. Now mark the event.", async () => {
        await api.endZone(number);
        say("Taken back: the place that was to be ignored.");
        await this.view.refresh();
      });
      await this.view.refresh();
    } catch (error) {
      complain(error);
    }
  }

  async #endZone(zone) {
    try {
      await api.endZone(zone.number);
      say("The place is ignored no longer.");
      await this.view.refresh();
    } catch (error) {
      complain(error);
    }
  }

  /** The server tells that these events are new or have changed. */
  heard(ids) {
    for (const id of ids) {
      if (!this.listing.events.has(id)) this.list.tellFresh(true);
      else if (!this.marker.isOwn(id)) this.changed.add(id);
    }
    this.timer ??= setTimeout(() => {
      this.timer = null;
      const asked = [...this.changed].slice(0, MOST_ASKED);
      for (const id of asked) this.changed.delete(id);
      for (const id of asked) api.event(id).then(({ event }) => this.listing.put([event]), complain);
      if (this.changed.size) this.heard([]);
    }, WAIT_MS);
  }

  /** Wait for a step, and say where it fails. */
  async #tell(step) {
    try {
      return await step;
    } catch (error) {
      complain(error);
      return null;
    }
  }

  /** The keys of this view, for the legend. */
  keys() {
    const here = () => !this.section.hidden;
    const drawing = () => here() && this.view.zone.open;
    const deciding = () => here() && !this.view.zone.open;
    const key = (key, words, act, { shown = key, when = deciding, ...more } = {}) => ({ key, shown, words, act, when, ...more });
    const marks = Object.entries(MARKS).map(([what, text]) => [text[0].toLowerCase(), what, text]);
    return [
      { title: "Decide", keys: [
        ...marks.map(([letter, what, text]) => key(letter, text.toLowerCase(), () => this.mark(what))),
        ...marks.map(([letter, what]) => key(letter.toUpperCase(), letter === "n" ? "the same for all that are alike; also a, u" : "", () => this.markAlike(what),
          { shown: "Shift n" })),
        key("z", "undo", () => this.undo()),
        key("i", "ignore this place: draw it", () => this.view.beginZone()),
        key("Enter", "keep the place", () => this.view.zone.keep(), { when: drawing }),
        key("m", "write a note", () => this.view.note.focus()),
      ] },
      { title: "Go through the list", keys: [
        key("j", "next event", () => this.step(1), { repeats: true }),
        key("k", "previous event", () => this.step(-1), { repeats: true }),
        key("x", "choose the event for a bulk mark", () => this.current && this.list.flip(this.current)),
        key("g", "fold or unfold those that are alike", () => this.list.toggle(this.current)),
        key("Escape", "leave the drawing, or choose nothing", () => this.#escape(), { shown: "Esc", when: here }),
      ] },
      { title: "Look", keys: [
        key(" ", "play or pause", () => this.view.player.toggle(), { shown: "Space" }),
        key(",", "a frame back", () => this.view.player.step(-1), { repeats: true }),
        key(".", "a frame forward", () => this.view.player.step(1), { repeats: true }),
        key("e", "the frame of the peak", () => this.view.peak()),
        key("b", "box", () => this.view.toggle("box")),
        key("h", "heat map", () => this.view.toggle("heat")),
        key("p", "places that are ignored", () => this.view.toggle("zones")),
      ] },
    ];
  }

  #escape() {
    if (this.view.zone.open) this.view.zone.leave();
    else if (this.list.chosen.size) this.list.choose([]);
    else if (NARROW.matches) go("#/events");
  }
}

/** The address of an event in this page. */
export function address(id) {
  return `#/event/${encodeURIComponent(id)}`;
}

/* Without an entry in the history of the browser: a hundred decisions are not a hundred steps back. */
function go(hash) {
  location.replace(hash);
}
