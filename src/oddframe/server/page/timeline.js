// A day of a camera, or a whole file: its score, events, gaps and faults. Can be zoomed; a click goes to an event.

import * as api from "./api.js";
import { button, el, fill } from "./dom.js";
import { drawTimeline, laneOf } from "./lanes.js";
import { address } from "./review.js";
import { Ruler } from "./ruler.js";
import { complain } from "./say.js";
import { clock, count, dayOf, kindWords, markWords, significant, timeOfDay } from "./words.js";

const WAIT_MS = 120; // after the last turn of the wheel, before the scores of what is shown are asked for
const NEAR = 10; // pixels from an event that still mean it
const STILL = 4; // pixels that a pointer may move and still click
const MOST_LISTED = 100;

/** The timeline view. */
export class Timeline {
  constructor(section) {
    this.source = el("select", { id: "timeline-source", on: { change: () => this.choose(this.source.value) } });
    this.day = el("select", { id: "timeline-day", on: { change: () => this.#load(this.#dayLimits()) } });
    this.dayField = el("label", { for: "timeline-day", hidden: true }, el("span", { text: "Day" }), this.day);
    this.canvas = el("canvas", { class: "timeline", tabindex: "0", role: "img" });
    this.tip = el("p", { class: "tip", hidden: true });
    this.span = el("p", { class: "dim span" });
    this.table = el("ol", { class: "found" });
    this.lead = el("p", { class: "dim" });
    const zoom = (factor) => () => this.#zoom(factor);
    fill(section, el("h1", { text: "Timeline" }),
      el("div", { class: "fields" },
        el("label", { for: "timeline-source" }, el("span", { text: "Camera or video" }), this.source), this.dayField,
        el("span", { class: "together" },
          button("←", () => this.#pan(-0.5), { "aria-label": "Earlier", title: "Earlier (←)" }),
          button("+", zoom(0.5), { "aria-label": "Zoom in", title: "Zoom in (+)" }),
          button("−", zoom(2), { "aria-label": "Zoom out", title: "Zoom out (-)" }),
          button("→", () => this.#pan(0.5), { "aria-label": "Later", title: "Later (→)" }),
          button("All", zoom(Infinity), { title: "Show all (0)" }))),
      this.span, el("div", { class: "plot" }, this.canvas, this.tip), this.#legend(), el("h2", { text: "Events in sight" }), this.lead, this.table);
    this.pointers = new Map();
    this.#listen();
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    addEventListener("themechange", () => this.#draw());
  }

  #legend() {
    const names = { score: "score", threshold: "threshold", event: "event", gap: "nothing was seen", fault: "fault of the camera" };
    return el("ul", { class: "legend" }, Object.entries(names).map(([name, text]) => el("li", {}, el("i", { class: name }), text)));
  }

  /** The cameras and videos there are. */
  setSources(sources) {
    this.sources = sources;
    const chosen = this.source.value;
    fill(this.source, sources.map((one) => el("option", { value: one.source, text: `${one.name} (${count(one.events, "event")})` })));
    if (sources.some((one) => one.source === chosen)) this.source.value = chosen;
  }

  /** Show the view; `source` may name what is wanted. */
  async open(source = null) {
    if (!this.sources?.length) {
      this.lead.textContent = "There is no camera and no video yet.";
      return;
    }
    const wanted = source && this.sources.some((one) => one.source === source) ? source : this.source.value;
    if (wanted !== this.shown) await this.choose(wanted);
    else this.#ask();
  }

  /** Show another camera or video. */
  async choose(source) {
    this.source.value = source;
    this.shown = source;
    const camera = source.startsWith("camera:");
    this.dayField.hidden = !camera;
    try {
      if (camera) {
        const days = await api.days(source);
        if (this.shown !== source) return; // another one has been chosen while this one was asked for
        fill(this.day, days.map((day) => el("option", { value: day, text: dayOf(new Date(`${day}T00:00`)) })));
        if (days.length) this.day.value = days.at(-1);
        await this.#load(days.length ? this.#dayLimits() : {});
      } else await this.#load({});
    } catch (error) {
      complain(error);
    }
  }

  #dayLimits() {
    const from = new Date(`${this.day.value}T00:00`);
    const to = new Date(from);
    to.setDate(to.getDate() + 1);
    return { from: from.getTime() / 1000, to: to.getTime() / 1000 };
  }

  async #load(limits) {
    this.ruler = null;
    this.whole = limits.from === undefined ? null : [limits.from, limits.to];
    await this.#fetch(limits);
  }

  async #fetch(limits) {
    this.stop?.abort();
    this.stop = new AbortController();
    try {
      const bins = Math.max(50, Math.round(this.canvas.clientWidth || 800));
      this.data = await api.timeline({ source: this.shown, ...limits, bins }, this.stop.signal);
      this.ruler ??= new Ruler(this.data.from, this.data.to, this.whole ?? [this.data.from, this.data.to]);
      this.#draw();
      this.#list();
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    }
  }

  /** Something has been found: ask again where it may be in sight. */
  heard() {
    if (this.ruler) this.#ask(1000);
  }

  #ask(wait = WAIT_MS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ruler && this.#fetch({ from: this.ruler.from, to: this.ruler.to }), wait);
  }

  #zoom(factor, share = 0.5) {
    if (!this.ruler) return;
    this.ruler.zoom(factor, share);
    this.#draw();
    this.#ask();
  }

  #pan(share) {
    if (!this.ruler) return;
    this.ruler.pan(share);
    this.#draw();
    this.#ask();
  }

  #listen() {
    const { canvas } = this;
    const share = (happens) => happens.offsetX / canvas.clientWidth;
    canvas.addEventListener("wheel", (happens) => {
      happens.preventDefault();
      if (Math.abs(happens.deltaX) > Math.abs(happens.deltaY)) this.#pan(happens.deltaX / canvas.clientWidth);
      else this.#zoom(1.0015 ** happens.deltaY, share(happens));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (happens) => {
      canvas.setPointerCapture(happens.pointerId);
      this.pointers.set(happens.pointerId, [happens.offsetX, happens.offsetX]);
    });
    canvas.addEventListener("pointermove", (happens) => this.#moved(happens));
    canvas.addEventListener("pointerup", (happens) => {
      const [from] = this.pointers.get(happens.pointerId) ?? [];
      const alone = this.pointers.size === 1;
      this.pointers.delete(happens.pointerId);
      const event = alone && Math.abs(happens.offsetX - from) <= STILL ? this.#eventAt(happens.offsetX) : null;
      if (event) location.hash = address(event.id);
    });
    canvas.addEventListener("pointercancel", (happens) => this.pointers.delete(happens.pointerId));
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("keydown", (happens) => {
      const act = {
        ArrowLeft: () => this.#pan(-0.2), ArrowRight: () => this.#pan(0.2), "+": () => this.#zoom(0.5), "=": () => this.#zoom(0.5),
        "-": () => this.#zoom(2), 0: () => this.#zoom(Infinity),
      }[happens.key];
      if (!act || happens.ctrlKey || happens.metaKey) return;
      happens.preventDefault();
      act();
    });
  }

  /* One pointer pulls, two pinch. */
  #moved(happens) {
    const known = this.pointers.get(happens.pointerId);
    const width = this.canvas.clientWidth;
    if (!known) {
      this.#point(happens.offsetX);
      return;
    }
    const others = [...this.pointers.entries()].filter(([id]) => id !== happens.pointerId).map(([, [, x]]) => x);
    const [from, before] = known;
    const now = happens.offsetX;
    if (others.length) {
      const apart = (x) => Math.max(20, Math.abs(x - others[0]));
      this.#zoom(apart(before) / apart(now), (now + others[0]) / 2 / width);
    } else if (Math.abs(now - from) > STILL) this.#pan((before - now) / width);
    this.pointers.set(happens.pointerId, [others.length ? Infinity : from, now]);
  }

  #eventAt(x) {
    if (!this.data || !this.ruler) return null;
    const width = this.canvas.clientWidth;
    const away = (event) => {
      const [from, to] = [this.ruler.share(event.start) * width, this.ruler.share(event.end) * width];
      return Math.max(0, from - x, x - to);
    };
    const near = this.data.events.filter((event) => away(event) <= NEAR);
    near.sort((a, b) => away(a) - away(b) || (b.score ?? 0) - (a.score ?? 0));
    return near[0] ?? null;
  }

  #point(x) {
    const event = this.#eventAt(x);
    this.canvas.classList.toggle("hits", Boolean(event));
    this.tip.hidden = !event;
    if (!event) return;
    this.tip.textContent = this.#words(event);
    this.tip.style.setProperty("--share", Math.min(0.85, Math.max(0, x / this.canvas.clientWidth)));
  }

  #moment(seconds) {
    return this.data.clock === "utc" ? timeOfDay(new Date(seconds * 1000)) : clock(seconds, 1);
  }

  #words(event) {
    const score = event.score === null || event.score === undefined ? "" : `, score ${significant(event.score)}`;
    return `${this.#moment(event.start)}: ${kindWords(event.kind)}${score}, ${markWords(event.mark).toLowerCase()}`;
  }

  #draw() {
    if (!this.ruler || !this.data) return;
    drawTimeline(this.canvas, this.ruler, this.data);
    const utc = this.data.clock === "utc";
    const days = [this.ruler.from, this.ruler.to].map((seconds) => (utc ? `${dayOf(new Date(seconds * 1000))}, ` : ""));
    const last = days[0] === days[1] ? "" : days[1];
    this.span.textContent = `${days[0]}${this.#moment(this.ruler.from)} to ${last}${this.#moment(this.ruler.to)}`;
  }

  #list() {
    const seen = this.data.events.filter((event) => event.end >= this.ruler.from && event.start <= this.ruler.to);
    const [gaps, faults] = [this.data.gaps ?? [], this.data.faults ?? []];
    const said = `${count(seen.length, "event")}, ${count(gaps.length, "gap")}, ${count(faults.length, "fault")} of the camera.`;
    this.canvas.setAttribute("aria-label", `Scores and events, ${this.span.textContent}. ${said} Arrow keys move, plus and minus zoom; the events are listed below.`);
    this.lead.textContent = seen.length > MOST_LISTED ? `${said} The first ${MOST_LISTED} are listed; zoom in to see others.` : said;
    fill(this.table, seen.slice(0, MOST_LISTED).map((event) => el("li", {}, el("a", { href: address(event.id) }, laneOf(event), el("span", { text: this.#words(event) })))));
  }
}
