// Draws a place to ignore over the picture: four corners that a pointer or the arrow keys move.

import { button, el, fill } from "./dom.js";

const STEP = 0.01; // of the width or height that an arrow key moves
const WIDER = 0.15; // of the size of a box that is added around it
const NAMES = ["Top left", "Top right", "Bottom right", "Bottom left"];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Corners around a box in pixels of (width, height), a little wider, in shares; the middle where there is no box. */
export function around(box, [width, height]) {
  const [left, top, right, bottom] = box ?? [width * 0.35, height * 0.35, width * 0.65, height * 0.65];
  const [x, y] = [(right - left) * WIDER, (bottom - top) * WIDER];
  const [a, b, c, d] = [(left - x) / width, (top - y) / height, (right + x) / width, (bottom + y) / height].map(share);
  return [[a, b], [c, b], [c, d], [a, d]];
}

function share(value) {
  return Math.min(1, Math.max(0, value));
}

/** The editor, over the stage. `keep(corners)` and `left()` end it. */
export class ZoneEditor {
  constructor(stage, listeners) {
    this.stage = stage;
    this.listeners = listeners;
    this.shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("viewBox", "0 0 1 1");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.append(this.shape);
    this.handles = NAMES.map((name, number) =>
      el("button", { type: "button", class: "handle", "aria-label": `${name} corner. Arrow keys move it.`, on: { keydown: (happens) => this.#key(happens, [number]) } }));
    this.element = el("div", { class: "zone", hidden: true, tabindex: "-1", role: "group",
      "aria-label": "A place to ignore. Arrow keys move it, Tab goes to its corners, Enter keeps it, Escape leaves.",
      on: { keydown: (happens) => this.#key(happens, [0, 1, 2, 3]) } }, drawing, this.handles);
    this.bar = el("div", { class: "zone-bar", hidden: true },
      el("span", { text: "Draw the place that is to be ignored: move it or its corners." }),
      button("Keep", () => this.keep(), { key: "Enter", class: "first" }),
      button("Leave", () => this.leave(), { key: "Esc" }));
    stage.append(this.element);
    for (const [number, handle] of this.handles.entries()) this.#drag(handle, [number]);
    this.#drag(this.shape, [0, 1, 2, 3]);
  }

  get open() {
    return !this.element.hidden;
  }

  /** Begin with these corners. */
  begin(corners) {
    this.corners = corners.map((corner) => [...corner]);
    this.element.hidden = this.bar.hidden = false;
    this.#draw();
    this.element.focus();
  }

  /** Take the place as it is drawn. */
  keep() {
    if (!this.open) return;
    this.#end();
    this.listeners.keep(this.corners.map((corner) => corner.map((value) => Math.round(value * 1e4) / 1e4)));
  }

  /** Change nothing. */
  leave() {
    if (!this.open) return;
    this.#end();
    this.listeners.left();
  }

  #end() {
    this.element.hidden = this.bar.hidden = true;
  }

  #key(happens, which) {
    if (happens.key === "Enter") {
      happens.preventDefault(); // on a corner, which is a button
      happens.stopPropagation();
      this.keep();
      return;
    }
    const move = MOVES[happens.key];
    if (!move || happens.ctrlKey || happens.metaKey || happens.altKey) return;
    happens.preventDefault();
    happens.stopPropagation();
    const far = STEP * (happens.shiftKey ? 5 : 1);
    this.#move(which, move[0] * far, move[1] * far);
  }

  /* Corners never leave the picture, and a place that is moved as a whole keeps its shape. */
  #move(which, x, y) {
    const moved = which.map((number) => this.corners[number]);
    const within = (by, axis) => {
      const values = moved.map((corner) => corner[axis]);
      return Math.min(Math.max(by, -Math.min(...values)), 1 - Math.max(...values));
    };
    const [right, down] = [within(x, 0), within(y, 1)];
    for (const number of which) this.corners[number] = [share(this.corners[number][0] + right), share(this.corners[number][1] + down)];
    this.#draw();
  }

  #drag(target, which) {
    let from = null;
    target.addEventListener("pointerdown", (happens) => {
      target.setPointerCapture(happens.pointerId);
      from = [happens.clientX, happens.clientY];
      happens.stopPropagation();
    });
    target.addEventListener("pointermove", (happens) => {
      if (!from) return;
      const area = this.element.getBoundingClientRect();
      this.#move(which, (happens.clientX - from[0]) / area.width, (happens.clientY - from[1]) / area.height);
      from = [happens.clientX, happens.clientY];
    });
    for (const kind of ["pointerup", "pointercancel"]) target.addEventListener(kind, () => { from = null; });
  }

  #draw() {
    this.shape.setAttribute("points", this.corners.map((corner) => corner.join(",")).join(" "));
    this.handles.forEach((handle, number) => {
      handle.style.setProperty("--x", this.corners[number][0]);
      handle.style.setProperty("--y", this.corners[number][1]);
    });
  }
}

/** The places that are ignored here, each with a button that ends it. */
export function showZones(place, zones, end) {
  fill(place, zones.length ? el("h3", { text: "Places that are ignored here" }) : null,
    zones.length ? el("ul", { class: "zones" }, zones.map((zone) =>
      el("li", {}, el("span", {}, zone.note || `Place ${zone.number}`, zone.who ? `, drawn by ${zone.who}` : ""),
        button("Ignore no longer", () => end(zone))))) : null);
}
