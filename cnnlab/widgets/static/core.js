// What every explorer is built from. Everything here lives inside one function: nothing leaks into the page.
export const make = (node, attrs, kids) => {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...kids.flat(9).filter((kid) => kid != null && kid !== false));
  return node;
};
export const el = (tag, attrs, ...kids) => make(document.createElement(tag), attrs, kids);
export const svg = (tag, attrs, ...kids) =>
  make(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, kids);
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
export const range = (count) => Array.from({ length: Math.max(0, count) }, (_, i) => i);
export const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const listed = (items) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
// Numbers as words: 12,345; a true minus; at most two decimals; 1.23 M; 98.7 %; and the bytes of base64.
export const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
export const signed = (value) => String(value).replace("-", "−");
export const tidy = (value, decimals = 2) => signed(+value.toFixed(decimals));
export const short = (value) => {
  const [unit, name] = [
    [1e15, " P"],
    [1e12, " T"],
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ].find(([size]) => value >= size) || [1, ""];
  if (unit === 1 && Number.isInteger(value)) return String(value);
  const scaled = value / unit;
  return (scaled >= 100 ? scaled.toFixed(0) : scaled.toFixed(scaled >= 10 ? 1 : 2)) + name;
};
export const percent = (value) => `${value > 99.95 || value < 0.05 ? Math.round(value) : value.toFixed(1)} %`;
export const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// JupyterLab takes arrow keys and letters for itself unless this stands on the element.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };

// A link to a chapter where the built book is around, which says where its root lies; a notebook has no such pages.
export const chapterLink = (chapter, text) => {
  const root = document.documentElement.dataset.content_root;
  return chapter && root != null ? el("a", { href: `${root}book/${chapter}.html`, ...KEYS }, text) : null;
};

// A button that can do nothing now (able(node, false)) keeps the focus that it has.
export const button = (text, act) => {
  const onclick = () => node.getAttribute("aria-disabled") === "true" || act();
  const node = el("button", { type: "button", ...KEYS, onclick }, text);
  return node;
};
export const able = (node, can) => node.setAttribute("aria-disabled", String(!can));

// Words that change keep the room of the longest they can be, in letters, so that nothing below them moves.
// Spoken politely when it changes; never while a clock runs.
export const say = (room) => el("p", { role: "status", "data-room": room });
export const hint = (room) => el("p", { class: "cx-hint", "aria-live": "polite", "data-room": room });
export const keepRoom = (node) => {
  const { font, lineHeight } = getComputedStyle(node);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  const sample = "one of the 12 rows and columns that are read, ";
  const letters = (node.clientWidth / pen.measureText(sample).width) * sample.length;
  node.style.minHeight = `${Math.ceil(node.dataset.room / (letters - 4)) * parseFloat(lineHeight)}px`;
};

// A picture of a size, in pixels, with what it holds.
export const sized = (width, height, attrs, ...kids) =>
  svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, ...attrs }, ...kids);

// Calls draw(t) with t from 0 to 1; at once when the reader wants no motion. A new call replaces the last.
export const glider = () => {
  let frame = 0;
  return (ms, draw) => {
    cancelAnimationFrame(frame);
    if (!ms || matchMedia("(prefers-reduced-motion: reduce)").matches) return draw(1);
    const start = performance.now();
    const next = (now) => {
      const t = clamp((now - start) / ms, 0, 1);
      draw(t * (2 - t));
      if (t < 1) frame = requestAnimationFrame(next);
    };
    next(start);
  };
};

// The book, Colab, VS Code and JupyterLab each say dark in their own way.
export const isDark = () => {
  const page = document.documentElement;
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  const told = page.dataset.theme || vscodeThemeKind || page.getAttribute("theme");
  if (jpThemeLight) return jpThemeLight === "false";
  if (told) return /dark|contrast$/.test(told);
  return !(window.google && google.colab) && matchMedia("(prefers-color-scheme: dark)").matches;
};
export const followTheme = (root) => {
  const apply = () => root.setAttribute("data-mode", isDark() ? "dark" : "light");
  const watch = new MutationObserver(apply);
  for (const node of [document.documentElement, document.body]) watch.observe(node, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
};

// No part has an id of its own, so that two copies never mix. Builds into every copy of the element (JupyterLab can show an output twice); the fallback text stays if anything fails.
export const start = (id, params, title, explore) => {
  for (const root of document.querySelectorAll(`#${id}:not([data-mode])`)) {
    const { nodes, draw } = explore(params);
    followTheme(root);
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", title);
    root.replaceChildren(el("div", { class: "cx-title" }, title), ...nodes);
    let width = 0;
    const fit = () => {
      const style = getComputedStyle(root);
      const now = Math.floor(root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
      if (now < 1 || now === width) return;
      width = now;
      draw(width);
      root.querySelectorAll("[data-room]").forEach(keepRoom);
      // Colab shows the first 1000 pixels of an output and a scroll bar, unless it is asked for more.
      const colab = window.google && google.colab;
      if (colab?.output) colab.output.setIframeHeight(0, true, { maxHeight: 5000 });
    };
    new ResizeObserver(fit).observe(root);
    fit();
  }
};
