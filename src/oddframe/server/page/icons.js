// Signs. Each mark, kind and state has a shape of its own, so that nothing is told by colour alone.

const SPACE = "http://www.w3.org/2000/svg";

const PATHS = {
  normal: ["M2.5 8.6l3.6 3.6L13.5 4.4"],
  abnormal: ["M8 2L14.6 13.8H1.4z", "M8 6.6v3.2", "M8 11.6v.4"],
  unsure: ["M5.4 5.6a2.7 2.7 0 1 1 4 2.4c-1 .6-1.4 1-1.4 2", "M8 12.8v.4"],
  none: ["M8 4.4a3.6 3.6 0 1 0 .01 0z"],
  undo: ["M6 3L2.6 6.4 6 9.8", "M2.8 6.4h6.7a3.6 3.6 0 0 1 0 7.2H6"],
  ignore: ["M8 2a6 6 0 1 0 .01 0z", "M3.8 3.8l8.4 8.4"],
  play: ["M4.5 2.8v10.4l8.2-5.2z"],
  pause: ["M5 3v10", "M11 3v10"],
  before: ["M10.5 3.2L5.7 8l4.8 4.8"],
  after: ["M5.5 3.2L10.3 8l-4.8 4.8"],
  back: ["M13.5 8h-11", "M7 3.5L2.5 8 7 12.5"],
  peak: ["M1.5 13l4-1.5L8 3l2.5 8.5 4 1.5"],
  gap: ["M1.5 8h3", "M11.5 8h3", "M6.6 4.6l2.8 6.8", "M9.4 4.6L6.6 11.4"],
  fault: ["M2 5.5h2.6L6 3.8h4l1.4 1.7H14v7H2z", "M5.6 6.6l4.8 4.8"],
  running: ["M4.5 2.8v10.4l8.2-5.2z"],
  connecting: ["M2.5 8h.5", "M7.8 8h.5", "M13 8h.5"],
  stalled: ["M8 2L14.6 13.8H1.4z", "M8 6.6v3.2", "M8 11.6v.4"],
  waiting: ["M8 2a6 6 0 1 0 .01 0z", "M8 4.6V8l2.2 1.6"],
  stopped: ["M3.5 3.5h9v9h-9z"],
};
PATHS.unknown = PATHS.unsure;
const FILLED = new Set(["play", "running", "stopped", "none"]);

/** The sign of this name as a picture beside a text that says the same; readers of screens pass over it. */
export function sign(name) {
  const made = document.createElementNS(SPACE, "svg");
  made.setAttribute("viewBox", "0 0 16 16");
  made.setAttribute("aria-hidden", "true");
  made.setAttribute("class", `sign${FILLED.has(name) ? " filled" : ""}`);
  for (const path of PATHS[name] ?? []) {
    const line = document.createElementNS(SPACE, "path");
    line.setAttribute("d", path);
    made.append(line);
  }
  return made;
}

/** Draw a sign of a mark on a canvas, `size` pixels wide around (x, y), in the pen's colours. */
export function stamp(pen, name, x, y, size) {
  pen.save();
  pen.translate(x - size / 2, y - size / 2);
  pen.scale(size / 16, size / 16);
  pen.lineWidth = 2.2;
  pen.lineCap = pen.lineJoin = "round";
  for (const text of PATHS[name] ?? []) {
    const path = new Path2D(text);
    if (FILLED.has(name)) pen.fill(path);
    pen.stroke(path);
  }
  pen.restore();
}
