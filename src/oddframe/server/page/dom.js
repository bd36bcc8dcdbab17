// Elements of the page. Every text is set as text: nothing that comes from data is ever read as HTML.

/**
 * An element.
 *
 * @param {string} tag
 * @param {object} props attributes; `text` is the text, `on` are listeners, null and false leave an attribute out
 * @param {...(Node|string|null|Array)} children
 */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [kind, act] of Object.entries(value)) made.addEventListener(kind, act);
    else if (name === "text") made.textContent = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Put other children into an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/** A button with a text, and a key beside it where it has one. */
export function button(text, act, { key = null, sign = null, ...props } = {}) {
  return el("button", { type: "button", "aria-keyshortcuts": key, on: { click: act }, ...props },
    sign, el("span", { text }), key && el("kbd", { text: key, "aria-hidden": "true" }));
}

/** A colour of the style sheets as the browser computes it now, for canvases. */
export function colour(name) {
  probe.style.color = `var(--${name})`;
  if (!probe.isConnected) document.body.append(probe);
  return getComputedStyle(probe).color;
}

const probe = el("i", { hidden: true });

/** A context of a canvas that is as sharp as the screen, cleared, in CSS pixels. */
export function sheet(canvas) {
  const sharp = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Whether an element takes letters that are typed. */
export function takesText(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox]):not([type=range])"));
}
