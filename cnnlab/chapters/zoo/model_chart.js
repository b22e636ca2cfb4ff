import {
  arrows,
  button,
  choice,
  clamp,
  el,
  KEYS,
  many,
  range,
  say,
  select,
  sheet,
  short,
  svg,
  toggle,
} from "../../widgets/static/core.js";

// Models as points: accuracy against cost on a log axis. Names on hover or focus, a family in color, the Pareto frontier, a table.
export const explore = (p) => {
  const [NAME, FAMILY, YEAR, PARAMS, MACS, ACC1, ACC5, SIZE, LATENCY] = range(9);
  const { rows } = p;
  const column = { params: PARAMS, macs: MACS, latency: LATENCY, acc1: ACC1, acc5: ACC5 };
  const timed = rows.some((row) => row[LATENCY] != null);
  const words = {
    params: "parameters",
    macs: "MACs per image",
    latency: "milliseconds per image",
    acc1: "top-1 accuracy",
    acc5: "top-5 accuracy",
  };
  const state = { x: p.x, y: p.y, family: p.family, frontier: p.frontier, at: -1 };
  let width = 0;
  let spots = [];
  const families = [...new Set(rows.map((row) => row[FAMILY]))].sort((a, b) => a.localeCompare(b));
  const percent = (value) => `${value.toFixed(1)} %`;
  const has = (row) => row[column[state.x]] > 0 && row[column[state.y]] != null;

  const result = say(220);
  const tip = el("div", { class: "cx-tip", "aria-hidden": "true", hidden: true });
  const chart = svg("svg", {
    role: "group",
    onpointermove: (event) => near(event),
    onpointerdown: (event) => near(event),
    onpointerleave: () => {
      tip.hidden = true;
    },
    onkeydown: arrows((dx, dy) => walk(dx, dy)),
  });
  const stage = el("div", { class: "cx-stage" }, chart, tip);

  const frontier = () => {
    const [x, y] = [column[state.x], column[state.y]];
    const order = range(rows.length)
      .filter((i) => has(rows[i]))
      .sort((a, b) => rows[a][x] - rows[b][x] || rows[b][y] - rows[a][y]);
    let best = -Infinity;
    return order.filter((i) => rows[i][y] > best && ((best = rows[i][y]), true));
  };

  const tell = (i) => {
    const row = rows[i];
    return (
      `${row[NAME]} (${row[FAMILY]}${row[YEAR] ? `, ${row[YEAR]}` : ""}): ${percent(row[ACC1])} top-1` +
      (row[ACC5] == null ? "" : `, ${percent(row[ACC5])} top-5`) +
      `; ${short(row[PARAMS])} parameters, ${short(row[MACS])} MACs` +
      (row[SIZE] ? ` at ${row[SIZE]} × ${row[SIZE]} pixels` : "") +
      (row[LATENCY] ? `, ${short(row[LATENCY])} ms.` : ".")
    );
  };
  const pick = (i, focus) => {
    const old = spots[state.at];
    if (old) {
      old.node.classList.remove("cx-at");
      old.node.setAttribute("tabindex", -1);
    }
    state.at = i;
    const { node, x, y } = spots[i];
    node.classList.add("cx-at");
    node.setAttribute("tabindex", 0);
    node.parentNode.append(node);
    if (focus) node.focus();
    const row = rows[i];
    tip.replaceChildren(
      el("b", {}, row[NAME]),
      ...[
        [row[FAMILY], row[YEAR]],
        ["top-1", percent(row[ACC1])],
        ["top-5", row[ACC5] == null ? "–" : percent(row[ACC5])],
        ["parameters", short(row[PARAMS])],
        ["MACs", short(row[MACS])],
        ["image", row[SIZE] ? `${row[SIZE]} px` : "–"],
      ].map((pair) =>
        el(
          "div",
          {},
          pair.map((text) => el("span", {}, text)),
        ),
      ),
    );
    tip.hidden = false;
    tip.style.left = `${clamp(x + (x > width / 2 ? -14 - tip.offsetWidth : 14), 0, Math.max(0, width - tip.offsetWidth))}px`;
    tip.style.top = `${clamp(y - tip.offsetHeight / 2, 0, chart.clientHeight - tip.offsetHeight)}px`;
    result.textContent = tell(i);
  };
  const near = (event) => {
    const box = chart.getBoundingClientRect();
    const far = (spot) => Math.hypot(spot.x - event.clientX + box.left, spot.y - event.clientY + box.top);
    const order = range(rows.length)
      .filter((i) => spots[i])
      .sort((a, b) => far(spots[a]) - far(spots[b]));
    if (order.length && far(spots[order[0]]) < 28) {
      if (order[0] !== state.at || tip.hidden) pick(order[0]);
    } else tip.hidden = true;
  };
  // Left and right go by cost, up and down by accuracy.
  const walk = (dx, dy) => {
    const by = dx ? "x" : "y";
    const order = range(rows.length)
      .filter((i) => spots[i])
      .sort((a, b) => spots[a][by] - spots[b][by] || a - b);
    const next = order[clamp(order.indexOf(state.at) + (dx || dy), 0, order.length - 1)];
    if (next != null) pick(next, true);
  };

  const render = () => {
    if (!width) return;
    tip.hidden = true;
    const [xs, ys] = [state.x, state.y].map((name) => rows.filter(has).map((row) => row[column[name]]));
    const height = width < 520 ? 360 : 430;
    const box = { left: 42, right: width - 12, top: 20, bottom: height - 46 };
    const [low, high] = [Math.log10(Math.min(...xs)) - 0.08, Math.log10(Math.max(...xs)) + 0.12];
    const [floor, roof] = [Math.floor(Math.min(...ys) / 5) * 5, Math.max(...ys) + 1.5];
    const px = (value) => box.left + ((Math.log10(value) - low) / (high - low)) * (box.right - box.left);
    const py = (value) => box.bottom - ((value - floor) / (roof - floor)) * (box.bottom - box.top);
    const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2, class: "cx-mesh" });
    const text = (x, y, anchor, label, extra) => svg("text", { x, y, "text-anchor": anchor, ...extra }, label);
    const parts = [];
    const marks = (box.right - box.left) / (high - low) < 165 ? [1, 3] : [1, 2, 5];
    for (const decade of range(14))
      for (const mark of marks) {
        const value = mark * 10 ** decade;
        if (Math.log10(value) < low || Math.log10(value) > high) continue;
        parts.push(
          line(px(value), box.top, px(value), box.bottom),
          text(px(value), box.bottom + 18, "middle", short(value).replace(/\.0+(?= |$)/, "")),
        );
      }
    for (let value = floor; value <= roof; value += 5)
      parts.push(line(box.left, py(value), box.right, py(value)), text(box.left - 8, py(value) + 4, "end", value));
    parts.push(
      text((box.left + box.right) / 2, height - 8, "middle", `${words[state.x]} (log scale)`, { class: "cx-axis" }),
      text(box.left + 4, box.top - 2, "start", `${words[state.y]}, %`, { class: "cx-axis" }),
    );

    const best = frontier();
    const [fx, fy] = [column[state.x], column[state.y]];
    if (state.frontier) {
      const path = best
        .map((i, n) => (n ? `H${px(rows[i][fx])}V${py(rows[i][fy])}` : `M${px(rows[i][fx])} ${py(rows[i][fy])}`))
        .join("");
      parts.push(svg("path", { d: `${path}H${box.right}`, class: "cx-frontier" }));
    }
    const mine = range(rows.length)
      .filter((i) => has(rows[i]) && rows[i][FAMILY] === state.family)
      .sort((a, b) => rows[a][fx] - rows[b][fx]);
    parts.push(
      svg("polyline", { points: mine.map((i) => [px(rows[i][fx]), py(rows[i][fy])]).join(" "), class: "cx-kin" }),
    );
    spots = rows.map(
      (row, i) =>
        has(row) && {
          x: px(row[fx]),
          y: py(row[fy]),
          node: svg("circle", {
            cx: px(row[fx]),
            cy: py(row[fy]),
            r: 5.5,
            tabindex: -1,
            role: "img",
            "aria-label": tell(i),
            ...KEYS,
            onfocus: () => state.at !== i && pick(i),
            class: `cx-spot${row[FAMILY] === state.family ? " cx-mine" : ""}${state.frontier && best.includes(i) ? " cx-best" : ""}`,
          }),
        },
    );

    // Names where there is room: the family first, then the frontier.
    const taken = spots
      .filter(Boolean)
      .filter(({ node }) => /mine|best/.test(node.getAttribute("class")))
      .map(({ x, y }) => [x - 5, y - 5, x + 5, y + 5]);
    const names = [];
    for (const i of [...mine, ...(state.frontier ? best : [])]) {
      const { x, y } = spots[i];
      const wide = rows[i][NAME].length * 6.3;
      for (const [dx, dy, anchor] of [
        [-8, -8, "end"],
        [9, 14, "start"],
        [9, 4, "start"],
        [-9, 14, "end"],
      ]) {
        const left = x + dx - (anchor === "end" ? wide : 0);
        const room = [left, y + dy - 10, left + wide, y + dy + 2];
        if (
          left < box.left ||
          room[2] > width ||
          room[1] < box.top + 6 ||
          taken.some((other) => room[0] < other[2] && other[0] < room[2] && room[1] < other[3] && other[1] < room[3])
        )
          continue;
        taken.push(room);
        names.push(
          text(x + dx, y + dy, anchor, rows[i][NAME], { class: mine.includes(i) ? "cx-name cx-own" : "cx-name" }),
        );
        break;
      }
    }
    sheet(chart, width, height);
    const shown = spots.filter(Boolean);
    chart.setAttribute(
      "aria-label",
      `${shown.length} models by ${words[state.y]} and ${words[state.x]}. Arrow keys go from point to point.`,
    );
    chart.replaceChildren(
      ...parts,
      svg(
        "g",
        {},
        shown.map(({ node }) => node),
      ),
      svg("g", { style: "pointer-events:none" }, names),
    );
    state.at = spots[state.at] ? state.at : best[best.length - 1];
    spots[state.at].node.setAttribute("tabindex", 0);
  };

  const summary = () => {
    const best = frontier();
    const mine = rows.filter((row) => has(row) && row[FAMILY] === state.family);
    const top = rows[best[best.length - 1]];
    result.textContent =
      `${rows.filter(has).length} models. ${best.length} of them are on the frontier: no model with as few ${words[state.x]} is more accurate. ` +
      `${top[NAME]} leads with ${percent(top[column[state.y]])} ${words[state.y]}.` +
      (mine.length
        ? ` ${state.family} has ${many(mine.length, "model")}, from ${percent(Math.min(...mine.map((row) => row[column[state.y]])))} to ${percent(Math.max(...mine.map((row) => row[column[state.y]])))}.`
        : "");
  };
  const update = () => {
    render();
    summary();
  };

  const heads = [
    ["model", NAME],
    ["family", FAMILY],
    ["year", YEAR],
    ["parameters", PARAMS],
    ["MACs", MACS],
    ["top-1 %", ACC1],
    ["top-5 %", ACC5],
    ["pixels", SIZE],
    ["ms", LATENCY],
  ].slice(0, timed ? 9 : 8);
  let sorted = [ACC1, -1];
  const body = el("tbody");
  const ths = heads.map(([text, at]) =>
    el(
      "th",
      { scope: "col" },
      button(text, () => {
        sorted = [at, sorted[0] === at ? -sorted[1] : at < 2 ? 1 : -1];
        fill();
      }),
    ),
  );
  const fill = () => {
    const [by, way] = sorted;
    const order = [...rows].sort((a, b) => way * (by < 2 ? a[by].localeCompare(b[by]) : (a[by] || 0) - (b[by] || 0)));
    ths.forEach((th, i) => th.setAttribute("aria-sort", i !== by ? "none" : way > 0 ? "ascending" : "descending"));
    body.replaceChildren(
      ...order.map((row) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, row[NAME]),
          row
            .slice(1, heads.length)
            .map((value, i) =>
              el(
                "td",
                {},
                value == null
                  ? "–"
                  : i + 1 === PARAMS || i + 1 === MACS
                    ? short(value)
                    : i + 1 === ACC1 || i + 1 === ACC5 || i + 1 === LATENCY
                      ? value.toFixed(2)
                      : value,
              ),
            ),
        ),
      ),
    );
  };
  const table = el(
    "details",
    { class: "cx-table", ontoggle: () => body.childNodes.length || fill() },
    el("summary", { ...KEYS }, "All numbers as a table"),
    el(
      "div",
      { class: "cx-scroll", tabindex: 0, role: "region", "aria-label": "Table of models" },
      el("table", {}, el("thead", {}, el("tr", {}, ths)), body),
    ),
  );
  summary();
  return {
    nodes: [
      el(
        "div",
        { class: "cx-bar" },
        choice({
          label: "Cost",
          options: [
            ["params", "Parameters"],
            ["macs", "MACs"],
            ["latency", "Time"],
          ].slice(0, timed ? 3 : 2),
          value: state.x,
          onchange: (to) => {
            state.x = to;
            update();
          },
        }).node,
        choice({
          label: "Accuracy",
          options: [
            ["acc1", "Top-1"],
            ["acc5", "Top-5"],
          ],
          value: state.y,
          onchange: (to) => {
            state.y = to;
            update();
          },
        }).node,
        select({
          label: "Family",
          options: [[null, "none"], ...families.map((name) => [name, name])],
          value: state.family,
          onchange: (to) => {
            state.family = to;
            update();
          },
        }).node,
        toggle("Frontier", state.frontier, (on) => {
          state.frontier = on;
          update();
        }),
      ),
      stage,
      result,
      table,
    ],
    draw: (to) => {
      width = to;
      render();
    },
  };
};
