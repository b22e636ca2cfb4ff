import { able, button, clamp, el, glider, hint, KEYS, make, say, signed, tidy } from "./core.js";

// How an explorer comes out of its declaration and a pure view is told in cnnlab/widgets/panel.py.

// --- the controls: (declared, panel, options) -> { node, row, show(value, limits, moved) } -----------------------------
// An explorer hands panel those that it declares as `kinds`, so that an output carries no other.

export const sliding = (own, { limits, set }) => {
  const values = () => limits(own.name).values || own.values;
  const oninput = () => set({ [own.name]: values()?.[input.value] ?? +input.value }, own.name);
  const input = el("input", { type: "range", step: own.step || 1, ...KEYS, oninput });
  const out = el("b", { "aria-hidden": "true" });
  const label = el("span", {}, own.symbol && [el("i", {}, own.symbol), " "], own.label);
  const said = (value) =>
    (own.decimals === null ? tidy(value) : signed(value.toFixed(own.decimals))) + (own.unit || "");
  const node = el(
    "label",
    { class: "cx-field", style: own.color && `--cx:var(--cnnlab-${own.color})` },
    label,
    out,
    input,
  );
  return {
    row: "sliders",
    node,
    show(value, { low = own.low, high = own.high, hidden }) {
      node.hidden = hidden;
      const list = values();
      Object.assign(input, list ? { min: 0, max: list.length - 1 } : { min: low, max: high });
      input.value = list ? list.indexOf(value) : value;
      out.textContent = list ? value : said(value);
      input.setAttribute("aria-valuetext", out.textContent);
    },
  };
};

export const choosing = ({ name, label, options }, { set }) => {
  const buttons = options.map(([value, text]) => button(text, () => set({ [name]: value }, name)));
  return {
    row: "choices",
    node: el("div", { class: "cx-select", role: "group", "aria-label": label }, el("span", {}, label), buttons),
    show: (value) => buttons.forEach((node, i) => node.setAttribute("aria-pressed", options[i][0] === value)),
  };
};

export const listing = ({ name, label, hidden, options }, { set }) => {
  const onchange = () => set({ [name]: options[input.selectedIndex][0] }, name);
  const texts = options.map(([, text]) => el("option", {}, text));
  const input = el("select", { ...KEYS, "aria-label": hidden && label, onchange }, texts);
  const node = hidden ? input : el("label", { class: "cx-select" }, label, input);
  return {
    row: "choices",
    node,
    show(value, bound) {
      node.hidden = bound.hidden;
      input.selectedIndex = options.findIndex(([own]) => own === value);
    },
  };
};

export const toggling = (own, { state, set }) => {
  const node = button(own.label, () => set({ [own.name]: !state[own.name] }, own.name));
  return { node, row: "choices", show: (value) => node.setAttribute("aria-pressed", Boolean(value)) };
};
export const searching = (own, { set }) => {
  const oninput = () => set({ [own.name]: input.value }, own.name);
  const input = el("input", { type: "search", placeholder: own.placeholder, ...KEYS, oninput });
  const show = (value) => input.value === value || (input.value = value);
  return { node: el("label", { class: "cx-select" }, own.label, input), row: "choices", show };
};

export const counting = (own, { state, set }) => {
  const by = (step) => () => set({ [own.name]: state[own.name] + step }, own.name);
  const [more, less] = [button(own.more, by(1)), button(own.less, by(-1))];
  return {
    node: [more, less],
    row: "choices",
    show(value, { low = own.low, high = own.high }) {
      able(more, value < high);
      able(less, value > low);
    },
  };
};

export const typing = (own, { state, set, seen }) => {
  const node = el("div", { class: "cx-numbers", role: "group", "aria-label": own.label });
  const side = (values) => Math.round(Math.sqrt(values.length));
  const named = (i, n) => own.names?.[i] || `weight, row ${Math.floor(i / n) + 1}, column ${(i % n) + 1}`;
  const written = (value) => +value.toFixed(own.decimals || 2);
  const field = (i, n) =>
    el("input", {
      type: "number",
      step: own.step || "any",
      inputmode: "decimal",
      ...KEYS,
      "aria-label": named(i, n),
      onfocus: () => own.chosen && set({ [own.chosen]: i }, own.chosen),
      oninput: (event) => {
        const to = clamp(+event.target.value || 0, own.low, own.high);
        set({ [own.name]: state[own.name].map((value, j) => (j === i ? to : value)) }, own.name);
      },
      onchange: (event) => {
        event.target.value = written(state[own.name][i]);
      },
    });
  return {
    node,
    show(values, _, moved) {
      if (node.children.length !== values.length) {
        node.replaceChildren(...values.map((_, i) => field(i, side(values))));
        node.style.setProperty("--k", side(values));
      }
      [...node.children].forEach((input, i) => {
        // What is being typed stays as it is typed.
        if (moved !== own.name || input !== document.activeElement) input.value = written(values[i]);
        for (const [name, to] of Object.entries(seen().cells?.[own.name][i] || {})) input.setAttribute(name, to);
      });
    },
  };
};

// A picture that sets variables of the state: by arrow keys, and by what the view's place says of the pointer.
export const picking = (
  { name, label, sets, hover, role = "application" },
  { state, set, part, data, width },
  { move },
) => {
  const [x, y] = sets;
  const usual = (_state, dx, dy) => ({ [x]: state[x] + dx, ...(y && { [y]: state[y] + dy }) });
  const onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    set((move || usual)(state, ...step, event.shiftKey, name, data, width()), "place");
  };
  const attrs = { role, tabindex: role === "application" && 0, ...KEYS, "aria-label": label, onkeydown };
  return { node: part(name, { ...attrs, class: "cx-picture cx-pick" }, "div", hover !== false), show() {} };
};

// Back, Next, Play, the end, and where one stands. An explorer's steps(state, data) gives { count, at, to(number), end }.
// Played to the end it stands still; played again it starts again. It stops when the page is hidden or the explorer gone.
export const stepping = (own, { data, state, set, slots }, options) => {
  const now = () => {
    const { count, at, to, end = count - 1 } = options.steps(state, data);
    const done = !own.loop && at === count - 1;
    return { count, at, done, end: own.loop || done ? 0 : end, go: (by) => set(to((by + count) % count), own.name) };
  };
  let timer = 0;
  let fresh = false;
  const run = (on) => {
    clearInterval(timer);
    timer = on && setInterval(tick, own.ms || 650);
    play.textContent = on ? "Pause" : "Play";
    for (const node of [slots.text, slots.hint]) node.setAttribute("aria-live", on ? "off" : "polite");
  };
  const tick = () => {
    const { at, done, go } = now();
    if (document.hidden || !play.isConnected || (done && !fresh)) run(0);
    else go(at + 1);
    fresh = false;
  };
  const human = (text, act) =>
    button(text, () => {
      run(0);
      act(now());
    });
  const back = human("Back", ({ go, at }) => go(at - 1));
  const next = human("Next", ({ go, at }) => go(at + 1));
  const last = human("", ({ go, end }) => go(end));
  const play = button("Play", () => {
    fresh = !timer;
    run(fresh);
    if (fresh) tick();
  });
  const where = el("span", { class: "cx-hint" });
  return {
    row: "steps",
    node: el("div", { class: "cx-bar" }, back, next, play, last, where),
    show(_value, _limits, moved) {
      const { at, count, done, end } = now();
      if (timer && (!count || (moved !== own.name && (moved === "place" || !own.loop)))) run(0);
      where.textContent = count ? `step ${at + 1} of ${count}` : "";
      last.textContent = end ? own.finish || "Finish" : "Start again";
      const some = count > 1;
      able(play, some);
      able(back, some && (own.loop || at));
      able(next, some && !done);
      able(last, some && (!own.loop || at));
    },
  };
};

// --- what only some views want: (panel) -> what is done after each drawing ---------------------------------------------

// images: pixels for a part that is a canvas.
export const painting = ({ slots }) => {
  const painted = {};
  return ({ images }) => {
    for (const [name, { data, width, height }] of Object.entries(images)) {
      if (painted[name] === data) continue;
      painted[name] = data;
      Object.assign(slots[name], { width, height }).getContext("2d").putImageData(new ImageData(data, width), 0, 0);
    }
  };
};

// glide(place): what moves from one place to the next, when the place was picked or stepped to.
export const gliding = ({ state, p, made }) => {
  const names = p.controls.flatMap((own) => own.sets || []);
  const run = glider();
  let from = state;
  return ({ glide }, moved) => {
    const start = { ...from };
    run(moved === "place" || made[moved]?.row === "steps" ? 170 : 0, (t) => {
      from = Object.fromEntries(names.map((name) => [name, start[name] + (state[name] - start[name]) * t]));
      glide(from);
    });
  };
};

// scroll: { part: [top, bottom] } keeps what lies between in view, in a part that scrolls.
export const scrolling = ({ slots }) => {
  return ({ scroll }) => {
    for (const [name, [top, bottom]] of Object.entries(scroll)) {
      slots[name].scrollTop = clamp(slots[name].scrollTop, bottom - slots[name].clientHeight, top);
    }
  };
};

// What a node of a view sets when it is pressed, and the key under which it gets the focus back when drawn anew.
export const pressing = (change, key = JSON.stringify(change)) => ({
  ...KEYS,
  "data-sets": JSON.stringify(change),
  "data-key": key,
});
export const presses = {
  listen(node, name, { set, seen }) {
    node.addEventListener("click", ({ target }) => {
      const pressed = target.closest("[data-sets]");
      if (pressed) set(JSON.parse(pressed.dataset.sets), name);
    });
    node.addEventListener("pointerleave", () => seen().leave && set(seen().leave, "leave"));
  },
  keep(node, { seen, slots }) {
    const { activeElement } = document;
    const held = node.contains(activeElement) && activeElement.dataset.key;
    const keyed = (key) => [...node.querySelectorAll("[data-key]")].find((own) => own.dataset.key === key);
    const next = () => keyed(seen().focus) || keyed(held) || node.querySelector("[data-key]") || slots.picture;
    return () => held && next().focus({ preventScroll: true });
  },
};

// --- the panel -------------------------------------------------------------------------------------------------------

export const panel =
  (view, { kinds, also = [], layout, limits = () => ({}), ...options }) =>
  (p) => {
    const data = options.decode?.(p.data) ?? p.data;
    const state = { ...p.state };
    const colors = Object.fromEntries(p.controls.map((own) => [own.symbol, own.color]));
    const slots = { text: say(p.room), hint: hint(p.hint) };
    const made = {};
    let width = 0;
    let seen = {};

    // The change, what follows from it, and every value within its limits as they are then.
    const bound = (name) => limits(state, data)[name] || {};
    const set = (change, moved) => {
      Object.assign(state, change, options.settle?.({ ...state, ...change }, moved, data));
      for (const name of Object.keys(limits(state, data))) {
        const { values, low = -Infinity, high = Infinity } = bound(name);
        state[name] = values
          ? (values.filter((own) => own <= state[name]).pop() ?? values[0])
          : clamp(state[name], low, high);
      }
      update(moved);
    };

    // --- where things stand ---
    // Only a part that says how answers the pointer: to pressing (hover false), and to its moving too (true).
    const part = (name, attrs, tag = "div", hover) => {
      const node = el(tag, attrs);
      const point = ({ clientX, clientY }) => {
        const { left, top, width, height } = node.getBoundingClientRect();
        const change = seen.place?.(clientX - left, clientY - top, width, height, name) || {};
        if (Object.keys(change).some((own) => state[own] !== change[own])) set(change, "place");
      };
      if (hover !== undefined) node.addEventListener("pointerdown", point);
      if (hover) node.addEventListener("pointermove", point);
      options.presses?.listen(node, name, at);
      slots[name] = node;
      return node;
    };
    const fill = (node, content) => {
      if (!node || content === undefined || node.textContent === content) return;
      const refocus = options.presses?.keep(node, at);
      node.replaceChildren();
      make(node, {}, [content]);
      refocus?.();
    };

    // --- controls ---
    const at = { p, data, state, set, part, slots, made, limits: bound, seen: () => seen, width: () => width };
    for (const own of p.controls) made[own.name] = kinds[own.kind](own, at, options);
    const presets = p.presets.map(([name, values]) => button(name, () => set(values, "preset")));
    const same = ([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value);
    const afterwards = also.map((one) => one(at));

    const update = (moved) => {
      if (width) {
        seen = view(state, width, data, colors);
        const facts = seen.facts?.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
        for (const [name, content] of Object.entries({ ...seen, facts, ...seen.parts })) fill(slots[name], content);
        afterwards.forEach((act) => act(seen, moved));
      }
      for (const name of Object.keys(made)) made[name].show(state[name], bound(name), moved);
      presets.forEach((node, i) => node.setAttribute("aria-pressed", Object.entries(p.presets[i][1]).every(same)));
    };

    const nodes = (row) => Object.values(made).flatMap((own) => (own.row === row ? own.node : []));
    const bar = (...kids) => el("div", { class: "cx-bar" }, ...kids.map((kid) => made[kid]?.node || kid));
    const laid = layout({
      data,
      bar,
      set,
      part,
      control: (name) => made[name].node,
      presets: (...kids) => el("div", { class: "cx-bar", role: "group", "aria-label": p.trying }, kids, presets),
      sliders: el("div", { class: "cx-controls" }, nodes("sliders")),
      choices: bar(...nodes("choices")),
      steps: nodes("steps"),
      text: slots.text,
      hint: slots.hint,
      facts: part("facts", { class: "cx-facts" }, "dl"),
      picture: slots.picture || part("picture", { class: "cx-picture" }),
    });
    set({});
    return {
      nodes: laid.flat(9).filter(Boolean),
      draw: (to) => {
        width = to;
        update();
      },
    };
  };
