// The score of every frame of the clip, with the threshold, the event, and the frame that is shown. A slider.

import { colour, sheet } from "./dom.js";
import { nearest } from "./player.js";
import { clock, significant } from "./words.js";

const PAD = 6;
const FAR = 10; // frames that Page Up and Page Down go

/** A canvas under the video. `seek(position)` is called where it is pointed at. */
export class Strip {
  constructor(canvas, seek) {
    this.canvas = canvas;
    this.seek = seek;
    this.state = null;
    this.position = null;
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-label": "Frame of the clip", "aria-valuemin": "0" })) {
      canvas.setAttribute(name, value);
    }
    canvas.addEventListener("pointerdown", (happens) => {
      canvas.setPointerCapture(happens.pointerId);
      this.#pointed(happens);
    });
    canvas.addEventListener("pointermove", (happens) => canvas.hasPointerCapture(happens.pointerId) && this.#pointed(happens));
    canvas.addEventListener("keydown", (happens) => this.#key(happens));
    new ResizeObserver(() => this.draw()).observe(canvas);
    addEventListener("themechange", () => this.draw());
  }

  /** Another clip, {times, scores, threshold, span, peak}, or none. */
  set(state) {
    this.state = state?.times.length ? state : null;
    this.position = null;
    this.canvas.hidden = !this.state;
    if (!this.state) return;
    this.canvas.setAttribute("aria-valuemax", String(state.times.length - 1));
    this.draw();
  }

  /** Show which frame is shown. */
  show(position) {
    this.position = position;
    if (!this.state) return;
    const { times, scores, threshold } = this.state;
    const score = scores?.[position];
    const said = score === null || score === undefined ? "no score" : `score ${significant(score)}, threshold ${significant(threshold)}`;
    this.canvas.setAttribute("aria-valuenow", String(position));
    this.canvas.setAttribute("aria-valuetext", `frame ${position + 1} of ${times.length}, ${clock(times[position], 2)}, ${said}`);
    this.draw();
  }

  #place(position, width) {
    const { times } = this.state;
    const last = times.at(-1) - times[0] || 1;
    return PAD + ((times[position] - times[0]) / last) * (width - 2 * PAD);
  }

  #pointed(happens) {
    if (!this.state) return;
    const { times } = this.state;
    const share = (happens.offsetX - PAD) / (this.canvas.clientWidth - 2 * PAD);
    this.seek(nearest(times, times[0] + share * (times.at(-1) - times[0])));
  }

  #key(happens) {
    if (!this.state || happens.ctrlKey || happens.metaKey || happens.altKey) return;
    const now = this.position ?? 0;
    const to = {
      ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - FAR, PageUp: now + FAR,
      Home: 0, End: this.state.times.length - 1,
    }[happens.key];
    if (to === undefined) return;
    happens.preventDefault();
    this.seek(to);
  }

  /** Draw it. */
  draw() {
    const { pen, width, height } = sheet(this.canvas);
    if (!this.state || !width) return;
    const { times, scores, threshold, span, peak } = this.state;
    const known = (scores ?? []).filter((score) => score !== null);
    const top = Math.max(...known, threshold ?? 0, 1e-9) * 1.12;
    const bottom = Math.min(0, ...known);
    const y = (score) => height - 4 - ((score - bottom) / (top - bottom)) * (height - 10);
    if (span) {
      pen.fillStyle = colour("event-wash");
      const [from, to] = span.map((position) => this.#place(Math.min(position, times.length - 1), width));
      pen.fillRect(from, 0, Math.max(2, to - from), height);
      pen.fillStyle = colour("event");
      pen.fillRect(from, height - 3, Math.max(2, to - from), 3);
    }
    this.#curve(pen, width, y);
    if (threshold !== null && threshold !== undefined) {
      pen.strokeStyle = colour("threshold");
      pen.lineWidth = 1.5;
      pen.setLineDash([6, 4]);
      pen.beginPath();
      pen.moveTo(PAD, y(threshold));
      pen.lineTo(width - PAD, y(threshold));
      pen.stroke();
      pen.setLineDash([]);
    }
    if (peak !== null && peak !== undefined && scores?.[peak] !== null && scores?.[peak] !== undefined) {
      pen.fillStyle = colour("event");
      pen.beginPath();
      pen.arc(this.#place(peak, width), y(scores[peak]), 3.5, 0, 2 * Math.PI);
      pen.fill();
    }
    if (this.position !== null) {
      const x = this.#place(this.position, width);
      pen.fillStyle = colour("ink");
      pen.fillRect(x - 1, 0, 2, height);
      pen.beginPath();
      pen.moveTo(x - 6, 0);
      pen.lineTo(x + 6, 0);
      pen.lineTo(x, 8);
      pen.fill();
    }
  }

  #curve(pen, width, y) {
    const { scores } = this.state;
    if (!scores) return;
    pen.strokeStyle = colour("score");
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.beginPath();
    let drawn = false;
    scores.forEach((score, position) => {
      if (score === null) {
        drawn = false; // a hole in the curve, not a line over it
        return;
      }
      pen[drawn ? "lineTo" : "moveTo"](this.#place(position, width), y(score));
      drawn = true;
    });
    pen.stroke();
  }
}
