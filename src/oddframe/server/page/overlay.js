// What is drawn over the picture: the box of the event, the heat map of the frame, places that are ignored.
// The colours are the same in both themes, since what lies below is a video.

import { sheet } from "./dom.js";

const BOX = "#ff4d63";
const DARK = "rgb(0 0 0 / .6)";
const ZONE = "rgb(255 255 255 / .85)";
const MILD = [255, 196, 64]; // these three as in the pictures and videos that `oddframe score` draws
const STRONG = [224, 32, 48];
const MOST_OPAQUE = 0.62;

/**
 * Draws over a video. `on` says what is wanted. `state` is {size, span, box, boxes, zones, scores, heat, peak, maps,
 * mapSize}: `maps` has the cells of all frames, each from 0 to 255, once they are here; `heat` is a picture of the peak.
 */
export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.on = { box: true, heat: false, zones: true };
    this.state = null;
    this.position = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Another event, or none. */
  set(state) {
    this.state = state;
    this.position = null;
    this.draw();
  }

  /** Whether a heat map lies over the frame that is shown. */
  get hot() {
    return this.on.heat && (this.#mapped || this.#pictured);
  }

  /* Whether the map of the very frame is known. */
  get #mapped() {
    const { state, position } = this;
    return Boolean(state?.maps) && position !== null && state.scores?.[position] !== null;
  }

  /* Whether the frame is the peak, of which there is a picture with its map. */
  get #pictured() {
    const { state } = this;
    return Boolean(state?.heat?.complete && state.heat.naturalWidth && this.position === state.peak);
  }

  /** Draw what belongs to the frame at `position` of the clip. */
  draw(position = this.position) {
    this.position = position;
    const { pen, width, height } = sheet(this.canvas);
    if (!this.state || position === null) return;
    if (this.on.heat && this.#mapped) this.#map(pen, width, height);
    else if (this.on.heat && this.#pictured) pen.drawImage(this.state.heat, 0, 0, width, height);
    if (this.on.zones) for (const zone of this.state.zones) this.#zone(pen, zone.corners, width, height);
    if (this.on.box) this.#box(pen, this.#boxAt(position), width, height);
  }

  /* The map of the frame, a cell a pixel, stretched over the picture. */
  #map(pen, width, height) {
    const { maps, mapSize: [high, wide] } = this.state;
    const coarse = new ImageData(wide, high);
    const first = this.position * high * wide;
    for (let cell = 0; cell < high * wide; cell += 1) {
      const level = maps[first + cell] / 255;
      for (let part = 0; part < 3; part += 1) coarse.data[4 * cell + part] = MILD[part] + (STRONG[part] - MILD[part]) * level;
      coarse.data[4 * cell + 3] = 255 * MOST_OPAQUE * level;
    }
    this.small ??= document.createElement("canvas");
    [this.small.width, this.small.height] = [wide, high];
    this.small.getContext("2d").putImageData(coarse, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.small, 0, 0, width, height);
  }

  #boxAt(position) {
    const { boxes, box, span } = this.state;
    const own = boxes?.[position];
    if (own) return own;
    return span && position >= span[0] && position <= span[1] ? box : null;
  }

  #box(pen, box, width, height) {
    if (!box) return;
    const [wide, high] = this.state.size;
    const [left, top] = [(box[0] / wide) * width, (box[1] / high) * height];
    const [across, down] = [((box[2] - box[0]) / wide) * width, ((box[3] - box[1]) / high) * height];
    pen.lineJoin = "round";
    for (const [style, line] of [[DARK, 5], [BOX, 2.5]]) {
      pen.strokeStyle = style;
      pen.lineWidth = line;
      pen.strokeRect(left, top, across, down);
    }
  }

  #zone(pen, corners, width, height) {
    const path = new Path2D();
    corners.forEach(([x, y], number) => path[number ? "lineTo" : "moveTo"](x * width, y * height));
    path.closePath();
    pen.save();
    pen.clip(path);
    pen.strokeStyle = ZONE;
    pen.lineWidth = 1;
    for (let x = -height; x < width; x += 9) {
      pen.beginPath();
      pen.moveTo(x, height);
      pen.lineTo(x + height, 0);
      pen.stroke();
    }
    pen.restore();
    for (const [style, line] of [[DARK, 4], [ZONE, 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = line;
      pen.stroke(path);
    }
  }
}
