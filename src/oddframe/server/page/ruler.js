// The stretch of time that a timeline shows: limits, zoom, and the marks of its axis.

import { clock, dayOf, timeOfDay } from "./words.js";

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const LEAST_S = 1; // that can be shown

/** A stretch [from, to] in seconds within [first, last]. */
export class Ruler {
  constructor(from, to, whole = [from, to]) {
    this.whole = [Math.min(from, whole[0]), Math.max(to, whole[1])];
    this.from = from;
    this.to = Math.max(to, from + LEAST_S);
  }

  get length() {
    return this.to - this.from;
  }

  /** Seconds at a share 0..1 of the width. */
  at(share) {
    return this.from + share * this.length;
  }

  /** The share of the width at which a moment lies. */
  share(moment) {
    return (moment - this.from) / this.length;
  }

  /** Show `factor` times as long a stretch, such that what lies at `share` stays there. */
  zoom(factor, share = 0.5) {
    const most = Math.max(this.whole[1] - this.whole[0], LEAST_S);
    const length = Math.min(Math.max(this.length * factor, LEAST_S), most);
    const fixed = this.at(share);
    this.#put(fixed - share * length, length);
  }

  /** Move by a share of what is shown. */
  pan(share) {
    this.#put(this.from + share * this.length, this.length);
  }

  #put(from, length) {
    const last = Math.max(this.whole[0], this.whole[1] - length);
    this.from = Math.min(Math.max(from, this.whole[0]), last);
    this.to = this.from + length;
  }

  /** Moments and texts of the axis, at most about `most`. Steps of a day's clock begin at local midnight. */
  marks(most, utc) {
    const step = STEPS_S.find((one) => this.length / one <= most) ?? 86400 * Math.ceil(this.length / 86400 / most);
    const shift = utc ? -new Date(this.from * 1000).getTimezoneOffset() * 60 : 0;
    const marks = [];
    for (let number = Math.ceil((this.from + shift) / step); number * step - shift <= this.to; number += 1) {
      const moment = number * step - shift;
      marks.push([moment, utc ? this.#byClock(moment, step) : clock(moment, step < 1 ? 1 : 0)]);
    }
    return marks;
  }

  #byClock(moment, step) {
    const date = new Date(moment * 1000);
    if (step >= 86400) return dayOf(date);
    const text = timeOfDay(date);
    return step >= 60 ? text.slice(0, 5) : text;
  }
}
