// Learning from marks: the button, what happens meanwhile, what each step changed, and the versions there are.

import * as api from "./api.js";
import { button, el, fill } from "./dom.js";
import { complain, say } from "./say.js";
import { count, moment, significant } from "./words.js";

/** The view of learning. */
export class Learn {
  constructor(section) {
    this.able = false;
    this.start = button("Learn from the marks", () => this.#begin(), { class: "first" });
    this.lead = el("p");
    this.state = el("p", { role: "status" });
    this.news = 0; // how often it was heard how learning goes
    this.lines = el("pre", { class: "log", tabindex: "0", "aria-label": "What happens", hidden: true });
    this.result = el("div");
    this.bundles = el("div");
    fill(section, el("h1", { text: "Learn from marks" }), this.lead, this.start, this.state, this.lines, this.result, this.bundles);
  }

  /** What the session can do. */
  setSession(session) {
    this.able = session.can_learn;
    this.start.hidden = !this.able;
    this.lead.textContent = this.able
      ? `A new version of the detector is made from ${session.run} and the marks. The present version stays, and can be taken again.`
      : "The detector is not known here, so nothing can be learned. Start the page with its folder: oddframe review DIR --run RUN";
  }

  /** Show the view. */
  async open() {
    const news = this.news;
    try {
      const [state, bundles] = await Promise.all([api.learning(), this.able ? api.bundles() : []]);
      this.#versions(bundles);
      if (news !== this.news) return; // learning has begun, or said something, since this was asked
      fill(this.lines);
      this.lines.hidden = true;
      for (const line of state.lines) this.#line(line);
      this.#running(state.running);
      this.#result(state.result);
    } catch (error) {
      complain(error);
    }
  }

  /** The server tells how it goes. */
  heard({ running, line, result }) {
    this.news += 1;
    if (line) this.#line(line);
    const was = this.runs;
    this.#running(running);
    if (result) this.#result(result);
    if (was && !running) this.open();
  }

  async #begin() {
    this.news += 1;
    fill(this.lines);
    fill(this.result);
    this.#running(true);
    try {
      await api.learn();
    } catch (error) {
      this.#running(false);
      complain(error);
    }
  }

  #line(text) {
    this.lines.hidden = false;
    this.lines.append(`${text}\n`);
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  #running(running) {
    this.runs = running;
    this.start.disabled = running;
    this.state.textContent = running ? "Learning goes on. The page may be used meanwhile." : "";
  }

  #result(result) {
    if (!result) {
      fill(this.result);
      return;
    }
    if (result.error) {
      fill(this.result, el("p", { class: "warning", text: `Nothing was learned: ${result.error}` }));
      return;
    }
    const rows = result.steps.map((step) => el("tr", {},
      el("th", { scope: "row" }, step.name, el("p", { class: "dim", text: step.did })),
      el("td", {}, change(step, "alarms_on_them", "normal_marks")),
      el("td", {}, change(step, "found_of_them", "abnormal_marks")),
      el("td", { class: "number", text: significant(step.threshold) })));
    const heads = ["Step", "Marked normal, and raise an alarm", "Marked abnormal, and are found", "Threshold"];
    fill(this.result, el("h2", { text: "What each step changed on marks that were held out" }),
      el("p", { text: `${capital(result.split)}. No mark is used to learn and to report.` }),
      result.too_few ? el("p", { class: "warning", text: capital(result.too_few) }) : null,
      table(heads, rows),
      el("p", { text: `Learned from ${count(result.normal, "normal mark")} and ${count(result.abnormal, "abnormal mark")}. ${capital(result.promise)}` }),
      result.note ? el("p", { text: capital(result.note) }) : null,
      result.gone.length ? el("ul", { class: "reasons" }, result.gone.map((line) => el("li", { text: line }))) : null,
      el("p", {}, "The new version lies in ", el("code", { text: result.out }), ". It is used where you choose it below."));
  }

  #versions(bundles) {
    if (!bundles.length) {
      fill(this.bundles);
      return;
    }
    const chosen = bundles.find((one) => one.current) ?? bundles.find((one) => one.in_use);
    const rows = bundles.map((one) => (one.fault ? damaged(one) : el("tr", { class: one === chosen ? "chosen" : null },
      el("th", { scope: "row" }, el("code", { text: one.id }), this.#choice(one, bundles.length === 1), el("p", { class: "dim", text: one.model })),
      el("td", { text: one.made_utc ? moment(one.made_utc) : "" }),
      el("td", {}, one.parent ? [el("code", { text: one.parent }), el("p", { class: "dim", text: `${one.normal} marked normal, ${one.abnormal} abnormal` })] : "–"),
      el("td", {}, significant(one.threshold), el("p", { class: "dim", text: one.promise ?? "" })),
      el("td", {}, el("code", { text: one.path })))));
    fill(this.bundles, el("h2", { text: "Versions" }), table(["Version", "Made", "Learned from", "Threshold", "Folder"], rows),
      el("p", { class: "dim" }, "The link ", el("code", { text: "current" }), " beside a version points to the one in use. Commands that name this link take it from their next start on; a ",
        el("code", { text: "watch" }), " that runs keeps its own."));
  }

  /* Says that a version is in use, or makes it so. Without a link, this page learns from the latest one. */
  #choice(one, alone) {
    if (one.current || (one.in_use && alone)) return el("span", { class: "chip now", text: "in use" });
    const use = button("Use this version", () => this.#use(one), { class: "use", "aria-label": `Use this version, ${one.id}` });
    return one.in_use ? [el("span", { class: "chip now", text: "this page learns from it" }), use] : use;
  }

  async #use(one) {
    try {
      const { link } = await api.useBundle(one.id);
      this.setSession(await api.session());
      this.#versions(await api.bundles());
      say(`In use from now on: ${one.id}. ${link} points to it.`);
    } catch (error) {
      complain(error);
    }
  }
}

/* How many of the marks that were held out raise an alarm, before the step and after it. */
function change(step, name, of) {
  const [before, after, all] = [step.before[name], step.after[name], step.after[of]];
  if (before === null || after === null) return el("span", { class: "dim", text: "too few marks" });
  return el("span", { class: "number" }, `${before} → `, el("b", { text: after }), ` of ${all}`);
}

/* A version that cannot be read, and why. */
function damaged(one) {
  return el("tr", {}, el("td", { class: "warning", colspan: "4", text: one.fault }), el("td", {}, el("code", { text: one.path })));
}

function table(heads, rows) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col", text })))), el("tbody", {}, rows)));
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
