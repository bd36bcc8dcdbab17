// The keys of the page, and the legend that is made of the same table.

import { button, el, fill, takesText } from "./dom.js";
import { set, setting } from "./settings.js";

const PRESSED = "button, a, summary, input, label"; // by Space and Enter, when they have the focus

/**
 * Listen to keys.
 *
 * @param {Array<{title: string, keys: Array<{key: string, shown: string, words: string, act: function, when: function}>}>}
 *     groups `key` is KeyboardEvent.key; `when` says whether it holds now, and may be left out
 * @param {HTMLDialogElement} legend shows them, and switches
 * @return {function} opens the legend
 */
export function listen(groups, legend) {
  const keys = groups.flatMap((group) => group.keys);
  const open = () => {
    if (legend.open) legend.close();
    else show(groups, legend);
  };
  document.addEventListener("keydown", (happens) => {
    if (happens.ctrlKey || happens.metaKey || happens.altKey || happens.defaultPrevented) return;
    if (takesText(happens.target)) {
      if (happens.key === "Escape") happens.target.blur();
      return;
    }
    if (!(setting("keys") || happens.key === "Escape" || happens.key === "Enter")) return;
    if (happens.key === "?") open();
    else if (legend.open) return;
    else {
      const presses = (happens.key === " " || happens.key === "Enter") && happens.target.closest?.(PRESSED);
      const found = keys.find((one) => one.key === happens.key && (!one.when || one.when()));
      if (!found || presses || (happens.repeat && !found.repeats)) return;
      found.act();
    }
    happens.preventDefault();
  });
  return open;
}

function show(groups, legend) {
  const rows = groups.map((group) => el("section", {},
    el("h3", { text: group.title }),
    el("dl", { class: "keys" }, group.keys.filter((one) => one.words).map((one) =>
      el("div", {}, el("dt", {}, one.shown.split(" ").map((key) => el("kbd", { text: key }))), el("dd", { text: one.words }))))));
  fill(legend,
    el("h2", { id: "legend-title", text: "Keys and settings" }),
    el("div", { class: "legend-groups" }, rows),
    toggle("keys", "Keys are on. Escape and Enter always are."),
    toggle("autoplay", "Clips play by themselves"),
    el("p", {}, button("Close", () => legend.close(), { key: "Esc", class: "first" })));
  legend.showModal();
}

function toggle(name, words) {
  const input = el("input", { type: "checkbox", on: { change: () => set(name, input.checked) } });
  input.checked = setting(name);
  return el("label", { class: "switch" }, input, words);
}
