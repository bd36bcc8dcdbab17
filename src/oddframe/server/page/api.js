// Talks to the server: JSON in, JSON out, and one line of text where something fails.

let csrf = "";

/** The server refused, or did not answer; the message is for people. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Is `oddframe review` still running?");
  }
  if (answer.status === 401) location.assign("/login"); // the cookie of the token is over
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body?.error ?? `The server refused this with status ${answer.status}.`);
  return body;
}

/* Bytes, where `ask` takes JSON. */
async function askBytes(path, signal) {
  const answer = await fetch(path, { credentials: "same-origin", signal });
  if (!answer.ok) throw new Refused(answer.status, (await answer.json().catch(() => null))?.error ?? `The server refused this with status ${answer.status}.`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function write(method, path, body = null, again = true) {
  const headers = { "X-CSRF-Token": csrf };
  if (body !== null) headers["Content-Type"] = "application/json";
  try {
    return await ask(path, { method, headers, body: body === null ? null : JSON.stringify(body) });
  } catch (error) {
    if (error.status !== 403 || !again) throw error;
    await session(); // the server was started anew, and has another token
    return write(method, path, body, false);
  }
}

function query(values) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") parts.set(name, value);
  }
  return parts.size ? `?${parts}` : "";
}

const path = (id) => `/api/events/${encodeURIComponent(id)}`;

/** Who is there and what can be done. Must be asked before anything is written. */
export async function session() {
  const answer = await ask("/api/session");
  csrf = answer.csrf;
  return answer;
}

export const sources = () => ask("/api/sources");
export const events = (filters, signal) => ask(`/api/events${query(filters)}`, { signal });
export const event = (id, signal) => ask(path(id), { signal });
export const frames = (id, signal) => ask(`${path(id)}/frames`, { signal });
export const thumb = (id) => `${path(id)}/thumb`;
export const heat = (id) => `${path(id)}/heat`;
/** The anomaly maps of the frames of a clip, one after the other: 0 as usual, 255 the strongest colour. */
export const maps = (id, signal) => askBytes(`${path(id)}/maps`, signal);
export const mark = (ids, what, note = "") => write("POST", "/api/marks", { ids, what, ...(note ? { note } : {}) });
/** Take back marks that were made at a moment; those that somebody has made since stay. */
export const unmark = (ids, moment) => write("POST", "/api/marks", { ids, what: "undo", of_utc: moment });
export const zones = (source) => ask(`/api/zones${query({ source })}`);
export const addZone = (id, corners, note = "") => write("POST", "/api/zones", { event: id, corners, ...(note ? { note } : {}) });
export const endZone = (number) => write("DELETE", `/api/zones/${encodeURIComponent(number)}`);
export const timeline = (values, signal) => ask(`/api/timeline${query(values)}`, { signal });
export const days = (source) => ask(`/api/days${query({ source, offset_min: -new Date().getTimezoneOffset() })}`);
export const learning = () => ask("/api/learn");
export const learn = () => write("POST", "/api/learn");
export const bundles = () => ask("/api/bundles");
export const useBundle = (id) => write("POST", "/api/bundles/use", { id });

/** Let the server get the clip of an event ready before it is wanted; whether that succeeds does not matter yet. */
export function warm(id) {
  fetch(`${path(id)}/clip`, { headers: { Range: "bytes=0-0" }, priority: "low" }).catch(() => {});
}

/** A path of this server alone: what an answer names is never asked of another host. */
export function own(url) {
  const made = new URL(url, location.origin);
  return made.origin === location.origin && made.pathname.startsWith("/api/") ? made.pathname + made.search : null;
}

/**
 * Follow what changes. The browser connects again by itself.
 *
 * @param {object} listeners `change`, `state`, `learn`, `store` take data; `link` takes whether the connection stands
 */
export function follow(listeners) {
  const stream = new EventSource("/api/changes");
  stream.onopen = () => listeners.link(true);
  stream.onerror = () => listeners.link(false);
  for (const kind of ["change", "state", "learn", "store"]) {
    stream.addEventListener(kind, (message) => listeners[kind](JSON.parse(message.data)));
  }
}
