// One event: its video with overlay and score strip, the decision, why, notes, and the history of its marks.

import * as api from "./api.js";
import { button, el, fill } from "./dom.js";
import { sign } from "./icons.js";
import { Overlay } from "./overlay.js";
import { Player, nearest } from "./player.js";
import { complain, say } from "./say.js";
import { setting } from "./settings.js";
import { Strip } from "./strip.js";
import { showWhy } from "./why.js";
import { MARKS, clock, heightWords, kindWords, markWords, moment, place, significant, title, when } from "./words.js";
import { ZoneEditor, around, showZones } from "./zone.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const BEFORE_S = 1; // of the event, from which a clip plays

/* The table of frames with what may be missing in it. Without a span, the peak is all that is known of the event. */
function known(frames, event) {
  const { times, start_s: start } = frames;
  const numbered = event.peak_frame === null ? -1 : frames.frames.indexOf(event.peak_frame);
  const peak = numbered >= 0 ? numbered : nearest(times, start === null ? 0 : event.peak_s - start);
  const one = Array.isArray(frames.boxes) ? frames.boxes : event.box;
  return { ...frames, threshold: frames.threshold ?? event.threshold, peak, span: frames.span ?? [peak, peak], boxes: Array.isArray(frames.boxes) ? null : frames.boxes, box: one };
}

/**
 * The view of one event. Listeners: `mark(what)`, `undo()`, `note(text)`, `back()`, `step(by)`, `zone(id, corners)`,
 * `endZone(zone)`, `loaded()`.
 */
export class EventView {
  constructor(element, listeners) {
    this.element = element;
    this.listeners = listeners;
    this.event = this.details = null;
    this.stop = new AbortController();
    this.#build();
    this.player = new Player(this.video, {
      shown: (position) => this.#shown(position),
      playing: (plays) => this.#playing(plays),
      failed: (text) => this.#withoutClip(text),
    });
    this.overlay = new Overlay(this.canvas);
    this.strip = new Strip(this.curve, (position) => {
      this.video.pause();
      this.player.seek(position);
    });
    this.zone = new ZoneEditor(this.stage, {
      keep: (corners) => this.#zoneEnds(() => listeners.zone(this.event.id, corners)),
      left: () => this.#zoneEnds(() => say("No place was drawn.")),
    });
    this.video.after(this.canvas);
    this.stage.after(this.zone.bar);
  }

  #build() {
    const { listeners } = this;
    this.heading = el("h2", { tabindex: "-1" });
    this.meta = el("p", { class: "meta" });
    this.video = el("video", { playsinline: true, loop: true, preload: "auto", "aria-label": "Clip of the event" });
    this.video.muted = true;
    this.canvas = el("canvas", { class: "over", "aria-hidden": "true" });
    this.still = el("img", { class: "still", alt: "Picture of the peak", hidden: true });
    this.nothing = el("p", { class: "nothing", hidden: true });
    this.stage = el("div", { class: "stage" }, this.video, this.still, this.nothing);
    this.stage.addEventListener("click", (happens) => happens.target === this.canvas && !this.zone.open && this.player.toggle());
    this.play = button("Play", () => this.player.toggle(), { key: "Space", sign: sign("play") });
    this.frame = el("p", { class: "frame" });
    this.speed = el("select", { "aria-label": "Speed", on: { change: () => { this.video.playbackRate = Number(this.speed.value); } } },
      SPEEDS.map((rate) => el("option", { value: rate, text: `${rate} ×`, selected: rate === 1 })));
    this.toggles = Object.fromEntries([["box", "Box", "b"], ["heat", "Heat map", "h"], ["zones", "Places", "p"]].map(([name, text, key]) =>
      [name, button(text, () => this.toggle(name), { key, "aria-pressed": "true" })]));
    this.controls = el("div", { class: "controls", role: "group", "aria-label": "Clip" },
      el("span", { class: "together" },
        button("", () => this.player.step(-1), { "aria-label": "A frame back", title: "A frame back (,)", sign: sign("before") }),
        this.play,
        button("", () => this.player.step(1), { "aria-label": "A frame forward", title: "A frame forward (.)", sign: sign("after") })),
      this.speed, el("span", { class: "together" }, Object.values(this.toggles)), this.frame);
    this.curve = el("canvas", { class: "strip" });
    this.verdicts = Object.fromEntries(Object.entries(MARKS).map(([what, text]) =>
      [what, button(text, () => listeners.mark(what), { key: text[0].toLowerCase(), sign: sign(what), class: `mark ${what}` })]));
    this.decide = el("div", { class: "decide", role: "group", "aria-label": "Decide" },
      Object.values(this.verdicts),
      button("Undo", () => listeners.undo(), { key: "z", sign: sign("undo") }),
      button("Ignore this place", () => this.beginZone(), { key: "i", sign: sign("ignore"), class: "ignore" }));
    this.note = el("textarea", { rows: "2", id: "note", maxlength: "2000" });
    this.write = button("Write the note", () => listeners.note(this.note.value.trim()));
    this.hint = el("p", { class: "dim" });
    this.why = el("section", { class: "why" });
    this.history = el("ol", { class: "history" });
    this.zones = el("section");
    this.facts = el("dl", { class: "facts" });
    fill(this.element,
      el("header", { class: "event-head" },
        button("", () => listeners.back(), { class: "back", "aria-label": "Back to the list", sign: sign("back") }),
        el("div", {}, this.heading, this.meta),
        el("span", { class: "together steps" },
          button("", () => listeners.step(-1), { "aria-label": "Previous event", title: "Previous event (k)", sign: sign("before") }),
          button("", () => listeners.step(1), { "aria-label": "Next event", title: "Next event (j)", sign: sign("after") }))),
      el("div", { class: "watch" }, this.stage, this.controls, this.curve, this.decide),
      el("div", { class: "told" }, this.why,
        el("section", {}, el("h3", { text: "Notes and marks" }),
          el("label", { for: "note", class: "dim", text: "Note (m)" }), this.note,
          el("div", { class: "note-line" }, this.write, this.hint), this.history),
        this.zones,
        el("details", {}, el("summary", { text: "All that is known" }), this.facts)));
    this.showNone("Choose an event in the list.");
  }

  /** Show no event, but a text. */
  showNone(text) {
    this.stop.abort();
    this.event = this.details = null;
    this.player?.close();
    this.heading.textContent = text;
    this.element.classList.add("empty");
  }

  /**
   * Show an event.
   *
   * @param {string} id
   * @param {object|null} known what the list knows of it, shown until the rest has come
   */
  async show(id, known) {
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.#clear();
    this.event = known;
    if (known) this.#head();
    try {
      const early = known?.media ? api.frames(id, signal) : null;
      early?.catch(() => {}); // told below
      const details = await api.event(id, signal);
      if (signal.aborted) return;
      this.details = details;
      this.event = details.event;
      this.#head();
      this.#told();
      if (details.clip) this.#clip(details, await (early ?? api.frames(id, signal)), signal);
      else this.#withoutClip(details.no_clip ?? "There is no video of this event.");
      if (!signal.aborted) this.listeners.loaded();
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      if (this.details) this.#withoutClip(error.message);
      else this.showNone(error.message);
    }
  }

  #clear() {
    this.element.classList.remove("empty");
    this.element.scrollTop = 0;
    this.player.close();
    this.zone.leave();
    this.overlay.set(null);
    this.strip.set(null);
    this.details = null;
    this.still.hidden = this.nothing.hidden = true;
    this.video.hidden = false;
    this.controls.hidden = false;
    this.frame.textContent = "";
    this.note.value = "";
    fill(this.why);
    fill(this.history);
    fill(this.zones);
    fill(this.facts);
  }

  #head() {
    const { event } = this;
    this.heading.textContent = title(event);
    const name = event.mark ?? "none";
    const above = event.above === null || event.above === undefined ? null : heightWords(event);
    fill(this.meta, el("span", { class: `chip ${name}` }, sign(name), markWords(event.mark)),
      el("span", {}, kindWords(event.kind)), el("bdi", { text: place(event) }), el("span", { text: when(event) }),
      above && el("span", { text: above }), event.open ? el("span", { text: "goes on" }) : null,
      event.found === false ? el("span", { text: "no longer found by the last scoring" }) : null,
      event.held ? el("span", { text: `not told: ${event.held}` }) : null);
    for (const [what, choice] of Object.entries(this.verdicts)) choice.setAttribute("aria-pressed", String(event.mark === what));
    this.write.hidden = !event.mark;
    this.hint.textContent = event.mark ? "" : "It is written with the mark.";
  }

  #told() {
    const { details, event } = this;
    showWhy(this.why, event, details);
    this.#history();
    showZones(this.zones, details.zones ?? [], (zone) => this.listeners.endZone(zone));
    const facts = {
      Score: event.score === null ? null : significant(event.score),
      Threshold: event.threshold === null ? null : significant(event.threshold),
      Promise: event.promise,
      Peak: event.peak_utc ? moment(event.peak_utc) : clock(event.peak_s, 2),
      Frames: event.start_frame === null ? null : `${event.start_frame} to ${event.end_frame}, peak ${event.peak_frame}`,
      Detector: event.model, Bundle: event.bundle, Event: event.id,
    };
    fill(this.facts, Object.entries(facts).filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
      el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
  }

  #history() {
    fill(this.history, (this.details.marks ?? []).map((mark) => el("li", {},
      sign(mark.what), el("span", {}, el("b", { text: MARKS[mark.what] ?? "Undo" }), " by ", el("bdi", { text: mark.who }), ", ",
        el("time", { datetime: mark.at_utc, text: moment(mark.at_utc) })), mark.note ? el("q", { dir: "auto", text: mark.note }) : null)));
  }

  #clip(details, frames, signal) {
    if (signal.aborted) return;
    const { clip, event } = details;
    const url = api.own(clip.url);
    if (url === null || !frames.times.length) {
      this.#withoutClip("There is no video of this event.");
      return;
    }
    const size = [clip.width, clip.height];
    this.stage.style.setProperty("--shape", size[0] / size[1]);
    const heat = details.heat ? new Image() : null;
    if (heat) {
      heat.onload = () => this.overlay.draw();
      heat.src = api.heat(event.id);
    }
    this.toggles.heat.hidden = !heat;
    this.frames = known(frames, event);
    const { times, span, peak, boxes, box, scores, map_size: mapSize } = this.frames;
    this.toggles.heat.querySelector("span").textContent = mapSize ? "Heat map" : "Heat map of the peak";
    this.overlay.set({ size, box, boxes, span, zones: details.zones ?? [], scores, heat, peak, maps: null, mapSize });
    if (this.overlay.on.heat) this.#askMaps();
    this.strip.set(this.frames);
    const begin = Math.max(0, times.findIndex((time) => time >= times[span[0]] - BEFORE_S));
    const plays = setting("autoplay") && (!this.overlay.on.heat || mapSize);
    this.player.open(url, times, plays ? begin : peak);
    this.video.playbackRate = Number(this.speed.value);
    if (plays) this.player.play();
    this.#pressed();
  }

  #withoutClip(text) {
    this.player.close();
    this.controls.hidden = this.video.hidden = true;
    this.strip.set(null);
    this.still.hidden = !this.event?.thumb;
    this.nothing.hidden = !this.still.hidden;
    this.nothing.textContent = text;
    if (this.event?.thumb) this.still.src = api.thumb(this.event.id);
  }

  #shown(position) {
    this.overlay.draw(position);
    this.strip.show(position);
    const { times, frames } = this.frames;
    const source = frames?.[position];
    const cold = this.frames.map_size ? " · this frame has no heat map" : " · the heat map is that of the peak alone";
    const hot = this.overlay.on.heat && !this.overlay.hot && !this.asked ? cold : "";
    this.frame.textContent = `${clock(times[position], 2)} · frame ${position + 1} of ${times.length}${source === null || source === undefined ? "" : ` (${source} of the video)`}${hot}`;
    this.frame.dataset.position = position;
  }

  #playing(plays) {
    fill(this.play, sign(plays ? "pause" : "play"), el("span", { text: plays ? "Pause" : "Play" }), el("kbd", { text: "Space", "aria-hidden": "true" }));
  }

  #pressed() {
    for (const [name, switched] of Object.entries(this.toggles)) switched.setAttribute("aria-pressed", String(this.overlay.on[name]));
  }

  /* The maps of all frames, where they are stored; until they are here, and where they cannot be had, the peak has one. */
  async #askMaps() {
    const { state } = this.overlay;
    if (!state?.mapSize || state.maps || this.asked === state) return;
    this.asked = state;
    try {
      state.maps = await api.maps(this.event.id, this.stop.signal);
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    }
    if (this.asked === state) this.asked = null;
    if (this.overlay.state === state && this.player.position !== null) this.#shown(this.player.position);
  }

  /** Switch the box, the heat map or the ignored places on or off. Where the peak alone has a map, it goes there. */
  toggle(name) {
    if (this.toggles[name].hidden) return;
    this.overlay.on[name] = !this.overlay.on[name];
    if (name === "heat" && this.overlay.on.heat && this.frames) {
      if (this.frames.map_size) this.#askMaps();
      else this.peak();
    }
    this.overlay.draw();
    if (this.player.position !== null) this.#shown(this.player.position);
    this.#pressed();
  }

  /** Show the frame of the peak. */
  peak() {
    if (!this.frames) return;
    this.video.pause();
    this.player.seek(this.frames.peak);
  }

  /** Draw a place to ignore. */
  beginZone() {
    const { event, details } = this;
    const size = details?.clip ? [details.clip.width, details.clip.height] : event?.width ? [event.width, event.height] : null;
    if (!size || this.stage.clientWidth === 0 || !this.nothing.hidden) {
      say("There is no picture in which a place could be drawn.");
      return;
    }
    this.video.pause();
    this.zone.begin(around(event.box, size));
  }

  #zoneEnds(act) {
    this.heading.focus({ preventScroll: true });
    act();
  }

  /** The event that is shown has changed: it was marked, or goes on. */
  async update(event) {
    if (this.event?.id !== event.id) return;
    const before = this.event;
    this.event = { ...before, ...event };
    this.#head();
    if (!this.details || event.marked_utc === before.marked_utc) return; // a mark that is not written yet has no time
    await this.refresh();
  }

  /** Ask again for what others may have changed: marks and places. */
  async refresh() {
    const { id } = this.event;
    try {
      const details = await api.event(id);
      if (this.event?.id !== id || !this.details) return;
      this.details = details;
      this.#history();
      showZones(this.zones, details.zones ?? [], (zone) => this.listeners.endZone(zone));
      if (this.overlay.state) this.overlay.state.zones = details.zones ?? [];
      this.overlay.draw();
    } catch (error) {
      complain(error);
    }
  }
}
