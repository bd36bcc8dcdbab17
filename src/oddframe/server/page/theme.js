// Dark or light: the system's choice, or the one made here. Loaded before the page is drawn, so that it does not flash.
"use strict";

(() => {
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const WORDS = { auto: "Colours: as the system has them", light: "Colours: light", dark: "Colours: dark" };
  const SIGNS = { auto: "◐", light: "☼", dark: "☾" };
  const root = document.documentElement;

  function stored() {
    try {
      const value = localStorage.getItem("oddframe.theme");
      return value in NEXT ? value : "auto";
    } catch {
      return "auto"; // a browser that keeps nothing
    }
  }

  function show(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = SIGNS[theme];
      button.title = WORDS[theme];
      button.setAttribute("aria-label", WORDS[theme]);
    }
    dispatchEvent(new Event("themechange"));
  }

  show(stored());
  addEventListener("DOMContentLoaded", () => {
    show(stored());
    document.getElementById("theme").addEventListener("click", () => {
      const theme = NEXT[root.dataset.theme];
      try {
        localStorage.setItem("oddframe.theme", theme);
      } catch {
        // the choice holds until the page is closed
      }
      show(theme);
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
})();
