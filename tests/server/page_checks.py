"""What a page is asked in a browser: contrast, names for readers of screens, and whether it fits the screen."""

from __future__ import annotations

# Every text that is seen, its colour, the colour behind it, and the least contrast that WCAG AA asks for.
CONTRAST = """() => {
  const light = ([red, green, blue]) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const parse = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    const whole = text.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((one) => one * whole), numbers[3] ?? 1];
  };
  const over = (top, below) => top.slice(0, 3).map((value, at) => value * top[3] + below[at] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const faults = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const seen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!walker.currentNode.data.trim() || !seen) continue;
    if (element.closest("noscript, option, .stage, :disabled, .skip")) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const ink = over(parse(style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((one, other) => other - one);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const text = walker.currentNode.data.trim().slice(0, 30);
    if (ratio < least) faults.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${text}`);
  }
  return [texts, [...new Set(faults)]];
}"""

# Fields and buttons that no reader of screens could name.
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, textarea, [role=slider]")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute("aria-label") || one.innerText?.trim() || one.labels?.length))
  .map((one) => one.outerHTML.slice(0, 80))"""
TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .skip"))
  .map((one) => one.outerHTML.slice(0, 80))"""
