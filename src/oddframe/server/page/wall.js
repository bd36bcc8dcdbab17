// The wall of cameras: state, last event, and what is left to review. Told by the server, never asked for in rounds.

import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { sign } from "./icons.js";
import { address } from "./review.js";
import { complain } from "./say.js";
import { count, moment, stateWords, title, when } from "./words.js";

/** The cameras view. `only(source)` shows the events of one camera. */
export class Wall {
  constructor(section, only) {
    this.only = only;
    this.cards = new Map(); // source -> card
    this.lead = el("p", { class: "dim" });
    this.grid = el("ul", { class: "wall" });
    fill(section, el("h1", { text: "Cameras" }), this.lead, this.grid);
  }

  /** The cameras there are, and whether one is watched now. */
  setSources(sources) {
    const cameras = sources.filter((one) => one.kind === "camera");
    const running = cameras.filter((one) => one.state === "running").length;
    this.lead.textContent = cameras.length
      ? `${count(cameras.length, "camera")}, ${running} running.`
      : "No camera was watched into this store yet: oddframe watch RUN SOURCE --out DIR --store auto";
    for (const source of [...this.cards.keys()]) {
      if (!cameras.some((one) => one.source === source)) {
        this.cards.get(source).item.remove();
        this.cards.delete(source);
      }
    }
    for (const camera of cameras) this.#show(camera);
  }

  #show(camera) {
    let card = this.cards.get(camera.source);
    if (!card) {
      card = { state: el("p", { class: "state" }), last: el("div", { class: "last" }), left: el("a", { href: "#/events", on: { click: () => this.only(camera.source) } }) };
      card.item = el("li", {}, el("h2", {}, el("bdi", { text: camera.name })), card.state, card.last,
        el("p", { class: "ways" }, card.left, el("a", { href: `#/timeline?source=${encodeURIComponent(camera.source)}`, text: "Timeline" })));
      this.cards.set(camera.source, card);
      this.grid.append(card.item);
    }
    const state = camera.state ?? "stopped";
    card.state.className = `state ${state}`;
    fill(card.state, sign(state), el("b", { text: stateWords(camera.state) }),
      camera.state_utc ? el("span", { text: `since ${moment(camera.state_utc)}` }) : null,
      camera.words ? el("span", { class: "words", text: camera.words }) : null);
    card.left.textContent = camera.unreviewed ? `${count(camera.unreviewed, "event")} to review` : count(camera.events, "event");
    if (card.shown !== camera.last_event) this.#last(card, camera.last_event);
  }

  async #last(card, id) {
    card.shown = id;
    if (id === null) {
      fill(card.last, el("p", { class: "dim", text: "No event yet." }));
      return;
    }
    try {
      const { event } = await api.event(id);
      if (card.shown !== id) return;
      fill(card.last, el("a", { href: address(id) },
        event.thumb ? el("img", { src: api.thumb(id), alt: "" }) : null,
        el("strong", { text: title(event) }), el("span", { class: "dim", text: when(event) })));
    } catch (error) {
      complain(error);
    }
  }
}
