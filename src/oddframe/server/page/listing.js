// The events that are loaded, in the order of the list, and what comes next. Knows nothing of how they are shown.

import * as api from "./api.js";

const PAGE = 50;

/**
 * A ranked or timed list of events, page by page.
 *
 * Listeners (all optional): `reset()` where it begins anew, `added(events)` at its end, `changed(event)` where one is
 * marked or goes on, `counted()` where the numbers of events are known anew. `settled()` is waited for before the
 * server is asked: it has then written every mark that was made so far.
 */
export class Listing {
  constructor(listeners) {
    this.listeners = listeners;
    this.filters = { order: "rank" };
    this.turn = 0;
    this.#empty();
  }

  #empty() {
    this.events = new Map(); // id -> event, in the order of the list
    this.trail = []; // every event of every page as it came, with whether it was reviewed then
    this.more = true;
    this.count = this.unreviewed = 0;
    this.loading = null;
    this.turn += 1;
    this.told = 0; // how often events have changed since
  }

  /** Begin anew, with other filters where they are given. */
  async reload(filters = this.filters) {
    this.filters = filters;
    this.#empty();
    this.listeners.reset?.();
    await this.loadMore();
  }

  /** The next page; where one is on its way already, that one. */
  loadMore() {
    if (!this.more) return Promise.resolve();
    this.loading ??= this.#page({ ...this.filters, limit: PAGE, after: this.#anchor() }, true).finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  async #page(query, follows) {
    const turn = this.turn;
    await this.listeners.settled?.();
    if (turn !== this.turn) return;
    const told = this.told;
    const page = await api.events(query);
    if (turn !== this.turn) return;
    if (follows) {
      this.more = page.next !== null;
      this.count = page.count;
      this.trail.push(...page.events.map((event) => [event.id, Boolean(event.mark)]));
    }
    if (told === this.told) this.unreviewed = page.unreviewed; // otherwise the answer may be from before a mark
    const fresh = page.events.filter((event) => !this.events.has(event.id));
    for (const event of fresh) this.events.set(event.id, event);
    if (fresh.length) this.listeners.added?.(fresh);
    this.listeners.counted?.();
  }

  /* A mark moves an event to another place of the ranked list. So the next page follows the last event that stands
     where it stood when it was read. */
  #anchor() {
    if (this.filters.order === "time") return this.trail.at(-1)?.[0] ?? null;
    const still = this.trail.findLast(([id, reviewed]) => Boolean(this.events.get(id)?.mark) === reviewed);
    return still?.[0] ?? null;
  }

  /** Take what the server says of events. One that is not loaded may be open all the same, by its address. */
  put(events) {
    for (const event of events) {
      const before = this.events.get(event.id);
      if (before) {
        this.unreviewed += Number(Boolean(before.mark)) - Number(Boolean(event.mark));
        this.events.set(event.id, event);
        this.told += 1;
      }
      this.listeners.changed?.(event);
    }
    this.listeners.counted?.();
  }

  /** Ids in the order of the list. */
  get ids() {
    return [...this.events.keys()];
  }

  /** The event after (or before) another one; a page is loaded where the list ends. Null where there is none. */
  async beside(id, step) {
    const place = this.ids.indexOf(id);
    if (place < 0) return this.ids[0] ?? null;
    if (step > 0 && place + step >= this.events.size && this.more) await this.loadMore();
    return this.ids[place + step] ?? null;
  }

  /** The next event that nobody has marked: after `id`, on later pages, or from the top. Null where none is left. */
  async nextUnreviewed(id) {
    const unmarked = (ids) => ids.find((one) => !this.events.get(one).mark && one !== id) ?? null;
    const turn = this.turn;
    for (;;) {
      const ids = this.ids;
      const found = unmarked(ids.slice(ids.indexOf(id) + 1)); // an unknown id begins at the top
      if (found !== null || !this.more) {
        if (found !== null) return found;
        break;
      }
      const seen = this.trail.length;
      await this.loadMore();
      if (turn !== this.turn) return null;
      if (this.trail.length === seen) break;
    }
    const above = unmarked(this.ids);
    if (above !== null) return above;
    // The list is from before; others may have found or undone something since.
    if (!this.filters.mark || this.filters.mark === "none") {
      await this.#page({ ...this.filters, mark: "none", limit: PAGE }, false);
    }
    return turn === this.turn ? unmarked(this.ids) : null;
  }
}
