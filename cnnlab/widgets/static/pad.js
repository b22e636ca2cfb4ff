import { KEYS } from "./core.js";

const STEP = 1 / 24; // of the pad's side, that an arrow key moves the pen
const NEAR = 1 / 200; // closer points tell nothing new

// A pad to draw on, of the maker's kind that panel.js has: the state has { strokes: [[x, y, x, y, ...], ...], pen: [x, y,
// down] }, in shares of the pad's side. With mouse or finger a stroke goes on as long as it is pressed; the arrow keys
// move the pen, and the space bar puts it down or lifts it. The view draws what stands on it: parts[name].
export const drawing = ({ name, label, pen }, { state, set, part, slots }) => {
  const whole = (share) => Math.round(1000 * Math.max(0, Math.min(1, share))) / 1000;
  const draw = (strokes, x, y) => set({ [name]: strokes, [pen]: [x, y, true] }, name);
  const further = (x, y) => {
    const last = state[name].at(-1);
    if (Math.hypot(x - last.at(-2), y - last.at(-1)) >= NEAR)
      draw([...state[name].slice(0, -1), [...last, x, y]], x, y);
  };
  const begin = (x, y) => draw([...state[name], [x, y]], x, y);
  const hover = (x, y) => set({ [pen]: [x, y, false] }, pen);
  const lift = () => hover(state[pen][0], state[pen][1]);

  // What it says is not read out on the way, but when the stroke is done.
  const speak = (on) => {
    slots.text.setAttribute("aria-live", on ? "polite" : "off");
    if (on) slots.text.textContent = "";
  };
  // One finger draws; others that touch the pad meanwhile do not.
  let pressed = null;
  const at = ({ clientX, clientY }) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return [whole((clientX - left) / width), whole((clientY - top) / height)];
  };
  const end = ({ pointerId }) => {
    if (pointerId !== pressed) return;
    pressed = null;
    speak(true);
    lift();
  };
  const node = part(name, {
    ...KEYS,
    class: "cx-pad",
    role: "application",
    tabindex: 0,
    "aria-label": label,
    onpointerdown: (event) => {
      if (pressed !== null || event.button > 0) return;
      pressed = event.pointerId;
      speak(false);
      node.setPointerCapture(event.pointerId);
      begin(...at(event));
    },
    // A fast hand moves further between two pictures of the screen than one event tells.
    onpointermove: (event) => {
      if (event.pointerId !== pressed) return;
      const all = event.getCoalescedEvents?.() || [];
      for (const each of all.length ? all : [event]) further(...at(each));
    },
    onpointerup: end,
    onpointercancel: end,
    onkeydown: (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if ((!step && event.key !== " ") || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const [x, y, down] = state[pen];
      if (!step) return down ? lift() : begin(x, y);
      const place = [whole(x + STEP * step[0]), whole(y + STEP * step[1])];
      if (down) further(...place);
      else hover(...place);
    },
  });
  return { row: "pad", node, show() {} };
};
