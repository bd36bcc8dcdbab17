// Marks events, one or many, and takes back what was done last.

import * as api from "./api.js";
import { button } from "./dom.js";
import { sign } from "./icons.js";
import { complain, say } from "./say.js";
import { MARKS, count, place, when } from "./words.js";

const FEW = 20;

/** Marks are shown at once and written in order; where the server refuses, what was shown is taken back. */
export class Marker {
  /**
   * @param {Listing} listing
   * @param {function(string[])} undone is called with the ids of events whose mark was taken back
   */
  constructor(listing, undone) {
    this.listing = listing;
    this.undone = undone;
    this.done = []; // what can be taken back, the last one at the end: {undo, words}
    this.queue = Promise.resolve();
    this.mine = new Map(); // id -> when it was marked here, to tell own changes from those of others
  }

  /** Mark events as `what`. Returns when the server has written it. */
  mark(ids, what, note = "") {
    const known = ids.map((id) => this.listing.events.get(id)).filter(Boolean);
    this.#own(ids);
    this.listing.put(known.map((event) => ({ ...event, mark: what, note: note || null })));
    const entry = { words: this.#words(ids), moment: null, undo: () => this.#undoMarks(ids, entry.moment) };
    this.done.push(entry);
    say(`${MARKS[what]}: ${entry.words}.`, this.#undoButton());
    return this.#then(async () => {
      try {
        const { events } = await api.mark(ids, what, note);
        entry.moment = events[0]?.marked_utc ?? null;
        this.listing.put(events);
      } catch (error) {
        this.done = this.done.filter((one) => one !== entry);
        this.listing.put(known);
        throw error;
      }
    });
  }

  /** Remember a step that is no mark, such as a zone, so that it can be taken back as well. */
  remember(words, undo) {
    this.done.push({ words, undo });
    say(words, this.#undoButton());
  }

  /** Take back what was done last here; where nothing was, the mark of the event that is shown. */
  undo(shown = null) {
    const last = this.done.pop();
    if (last) return this.#then(last.undo, last);
    if (shown?.mark) return this.#then(() => this.#undoMarks([shown.id], shown.marked_utc));
    say("There is nothing to undo.");
    return this.queue;
  }

  /** Nothing that was done can be taken back any more. */
  forget() {
    this.done = [];
  }

  /** Whether a change of this event that the server tells was made here just now, with many others. */
  isOwn(id) {
    return performance.now() - (this.mine.get(id) ?? -Infinity) < 5000;
  }

  /* What others have said since is not taken back. */
  async #undoMarks(ids, moment) {
    this.#own(ids);
    const { events, marked } = await api.unmark(ids, moment);
    this.listing.put(events);
    const left = ids.length - marked;
    const others = left ? ` ${count(left, "event")} ${left === 1 ? "was" : "were"} marked or undone by others since, and ${left === 1 ? "stays as it is" : "stay as they are"}.` : "";
    say(marked ? `Taken back: the mark of ${this.#words(ids)}.${others}` : `Nothing was taken back.${others}`);
    this.undone(ids);
  }

  /* Of few events the server is asked what has changed, for somebody else may mark them at the same time. */
  #own(ids) {
    if (ids.length <= FEW) return;
    const now = performance.now();
    for (const id of ids) this.mine.set(id, now);
  }

  #then(step, entry = null) {
    this.queue = this.queue.then(step).catch((error) => {
      if (entry) this.done.push(entry);
      complain(error);
    });
    return this.queue;
  }

  #words(ids) {
    const event = ids.length === 1 ? this.listing.events.get(ids[0]) : null;
    return event ? `${place(event)}, ${when(event)}` : count(ids.length, "event");
  }

  #undoButton() {
    return button("Undo", () => this.undo(), { key: "z", sign: sign("undo") });
  }
}
