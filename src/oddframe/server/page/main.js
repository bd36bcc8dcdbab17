// Begins: asks who is there, shows the view that the address names, and passes on what the server tells.

import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { sign } from "./icons.js";
import { listen } from "./keys.js";
import { Learn } from "./learn.js";
import { Review } from "./review.js";
import { calm, complain, say } from "./say.js";
import { Timeline } from "./timeline.js";
import { Wall } from "./wall.js";

const SOURCES_MS = 1000; // in which changes are gathered before the numbers of cameras are asked for again

const section = (name) => document.getElementById(`view-${name}`);
const review = new Review(section("events"), (left) => {
  document.getElementById("tally").textContent = left ? `${left.toLocaleString("en-GB")} to review` : "";
  document.title = left ? `(${left}) oddframe review` : "oddframe review";
});
const timeline = new Timeline(section("timeline"));
const wall = new Wall(section("cameras"), (source) => review.filters.only(source));
const learn = new Learn(section("learn"));

/** Show what the address names: #/events, #/event/ID, #/timeline?source=S, #/cameras, #/learn. */
async function route() {
  const [path, query] = location.hash.slice(2).split("?");
  const [view, id] = path.split("/");
  const name = view === "event" || !document.getElementById(`view-${view}`) ? "events" : view;
  for (const each of document.querySelectorAll("main > section")) each.hidden = each.id !== `view-${name}`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name !== "events") review.view.video.pause();
  if (name === "events") await review.open(view === "event" && id ? decodeURIComponent(id) : null);
  if (name === "timeline") await timeline.open(new URLSearchParams(query).get("source"));
  if (name === "learn") await learn.open();
}

let sourcesTimer = null;

async function askSources() {
  sourcesTimer = null;
  const sources = await api.sources();
  for (const each of [review.filters, timeline, wall]) each.setSources(sources);
}

function sourcesChanged() {
  sourcesTimer ??= setTimeout(() => askSources().catch(complain), SOURCES_MS);
}

function follow() {
  const link = document.getElementById("link");
  api.follow({
    change: ({ ids }) => {
      review.heard(ids);
      if (!section("timeline").hidden) timeline.heard();
      sourcesChanged();
    },
    state: sourcesChanged,
    learn: (state) => learn.heard(state),
    store: ({ error, replaced }) => (error ? complain(error) : again(replaced).catch(complain)),
    link: (stands) => {
      link.className = `link ${stands ? "stands" : "lost"}`;
      fill(link, sign(stands ? "running" : "stalled"), el("span", { text: stands ? "live" : "no connection" }));
    },
  });
}

async function begin() {
  addEventListener("hashchange", () => route().catch(complain));
  addEventListener("unhandledrejection", (happens) => complain(happens.reason));
  document.getElementById("skip").addEventListener("click", (happens) => {
    happens.preventDefault();
    document.getElementById("main").focus();
  });
  const open = listen(review.keys(), document.getElementById("legend"));
  document.getElementById("help").addEventListener("click", open);
  follow();
  await show();
}

async function show() {
  learn.setSession(await api.session());
  await askSources();
  await route();
  await review.load();
}

/* The store can be read again, or it is another one. */
async function again(replaced) {
  calm();
  if (replaced) review.forget();
  await show();
  say(replaced ? "The event store was replaced. This is what it holds now." : "The event store answers again.");
}

begin().catch(complain);
