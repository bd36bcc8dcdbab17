// What this browser remembers: whether keys are on, and whether clips play by themselves.

const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
const FIRST = { keys: true, autoplay: !CALM };
const held = {};

/** The value of a setting, true or false. */
export function setting(name) {
  if (name in held) return held[name];
  try {
    const stored = localStorage.getItem(`oddframe.${name}`);
    return stored === null ? FIRST[name] : stored === "true";
  } catch {
    return FIRST[name]; // a browser that keeps nothing
  }
}

/** Change a setting. */
export function set(name, value) {
  held[name] = value;
  try {
    localStorage.setItem(`oddframe.${name}`, String(value));
  } catch {
    // it holds until the page is closed
  }
}
