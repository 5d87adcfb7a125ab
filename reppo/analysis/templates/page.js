"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
  };
  const order = (items, key, down) =>
    items.sort((x, y) => {
      const a = key(x), b = key(y);
      if (a === null || b === null) return compare(a, b); // what is unknown stays at the end
      return down ? compare(b, a) : compare(a, b);
    });
  const turn = (heads, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    return down;
  };

  // Light and dark.
  const themes = ["auto", "light", "dark"];
  const themeButton = byId("theme");
  const show = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    themeButton.textContent = `Theme: ${theme}`;
  };
  let theme = new URLSearchParams(location.search).get("theme") || "auto";
  show(themes.includes(theme) ? theme : "auto");
  themeButton.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    show(theme);
  });

  // Tables that are whole on the page.
  for (const box of document.querySelectorAll(".tablebox.whole")) {
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const key = (row) => {
          const cell = row.cells[column];
          if (!numeric) return cell.textContent;
          return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
        };
        body.append(...order([...body.rows], key, turn(heads, head)));
      });
    });
    const tools = box.previousElementSibling;
    if (!tools || !tools.matches(".tools")) continue;
    const [input, count] = [tools.querySelector("input"), tools.querySelector("output")];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => texts.get(row).includes(word));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", filter);
    filter();
  }

  // The table of runs, made from data because it may be long.
  const data = JSON.parse(byId("data").textContent);
  const { columns, labels, numeric, values, curves, heights, spans, clocks, clock } = data;
  const size = values[0].length;
  const at = Object.fromEntries(columns.map((name, i) => [name, i]));
  const cell = (column, row) => {
    const value = values[column][row];
    return labels[column] ? labels[column][value] : value;
  };
  const write = (column, value) => {
    if (value === null) return "–";
    if (typeof value !== "number") return value;
    if (columns[column] === "seed") return String(value);
    const text = Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
    return text.replace("-", "−");
  };
  const runs = byId("runs");
  const body = runs.tBodies[0];
  const tableColumns = data.shown.map((name) => at[name]);
  const selects = ["arm", "task", "status"].map((name) => {
    const select = byId(`runs-${name}`);
    for (const label of labels[at[name]]) select.append(make("option", label, { value: label }));
    select.addEventListener("change", () => { page = 1; draw(); });
    return [at[name], select];
  });
  const PAGE = 50;
  let page = 1;
  let rows = Array.from({ length: size }, (_, i) => i);
  let chosen = null;
  const short = (value) => {
    const size = Math.abs(value);
    const [unit, by] = size >= 1e9 ? ["G", 1e9] : size >= 1e6 ? ["M", 1e6] : size >= 1e4 ? ["k", 1e3] : ["", 1];
    return `${Number((value / by).toPrecision(4))}${unit}`.replace("-", "−");
  };
  const ticks = (low, high, most) => {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
    return found;
  };
  const drawCurve = (row) => {
    const NS = "http://www.w3.org/2000/svg";
    const WIDTH = Math.min(700, Math.max(280, byId("all-runs").clientWidth - 36)); // letters keep their size on a phone
    const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [240, 74, 16, 12, 44];
    const steps = clocks[clock.length ? clock[row] : 0];
    const [low, high] = spans[cell(at.task, row)] || [0, 1];
    const span = high - low || 1, end = steps.at(-1) || 1;
    const x = (step) => LEFT + (WIDTH - LEFT - RIGHT) * step / end;
    const y = (share) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share;
    const add = (name, attributes, text) => {
      const element = document.createElementNS(NS, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      svg.append(element);
    };
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("width", WIDTH);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `evaluation return over ${short(end)} environment steps, from ${short(low)} to ${short(high)}`);
    const line = (x1, y1, x2, y2, stroke) => add("line", { x1, y1, x2, y2, stroke });
    for (const tick of high > low ? ticks(low, high, 4) : [low]) {
      const place = y((tick - low) / span);
      line(LEFT, place, WIDTH - RIGHT, place, "var(--line)");
      add("text", { x: LEFT - 6, y: place + 4, "text-anchor": "end" }, short(tick));
    }
    for (const tick of ticks(0, end, WIDTH < 500 ? 3 : 5)) {
      line(x(tick), y(0), x(tick), y(0) + 4, "currentColor");
      add("text", { x: x(tick), y: y(0) + 17, "text-anchor": "middle" }, short(tick));
    }
    line(LEFT, y(0), WIDTH - RIGHT, y(0), "currentColor");
    line(LEFT, y(0), LEFT, y(1), "currentColor");
    add("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, "environment steps");
    add("text", { transform: `translate(14 ${(y(0) + y(1)) / 2}) rotate(-90)`, "text-anchor": "middle" }, "evaluation return");
    let text = "", pen = "M", last = null;
    [...curves[row]].forEach((letter, i) => {
      if (letter === ".") { pen = "M"; return; }
      last = [x(steps[i]), y(heights.indexOf(letter) / 63)];
      text += `${pen}${last[0].toFixed(1)} ${last[1].toFixed(1)}`;
      pen = "L";
      add("circle", { cx: last[0], cy: last[1], r: 2.5, fill: "var(--c0)" });
    });
    add("path", { d: text, fill: "none", stroke: "var(--c0)", "stroke-width": 1.8 });
    if (last && cell(at.status, row) === "diverged") {
      const [a, b] = last;
      add("path", { d: `M${a - 5} ${b - 5}L${a + 5} ${b + 5}M${a - 5} ${b + 5}L${a + 5} ${b - 5}`, stroke: "#c62828", "stroke-width": 2.5, class: "lost" });
    }
    return svg;
  };
  const detail = byId("detail");
  const mark = (line) => {
    const own = Number(line.dataset.run) === chosen;
    line.classList.toggle("open", own);
    line.querySelector("button").setAttribute("aria-expanded", own);
  };
  const open = (row) => {
    chosen = row;
    const list = make("dl");
    columns.forEach((name, column) => {
      const pair = make("div");
      pair.append(make("dt", name.replaceAll("_", " ")), make("dd", write(column, cell(column, row))));
      list.append(pair);
    });
    const head = make("h3", `${cell(at.arm, row)} on ${cell(at.task, row)}, seed ${cell(at.seed, row)}`);
    const caption = make("p", "Evaluations of this run; the axis of returns spans what any run reached on the task.", { class: "soft" });
    detail.replaceChildren(head, drawCurve(row), caption, list);
    detail.hidden = false;
    for (const line of body.rows) mark(line);
    detail.scrollIntoView({ block: "nearest" });
  };
  const draw = () => {
    const wanted = rows.filter((row) => selects.every(([column, select]) => !select.value || cell(column, row) === select.value));
    const shown = wanted.slice(0, page * PAGE);
    body.replaceChildren(...shown.map((row) => {
      const line = make("tr", undefined, { "data-run": row });
      tableColumns.forEach((column, i) => {
        const td = make("td");
        const text = write(column, cell(column, row));
        if (i === 0) {
          const button = make("button", text, { type: "button", class: "more", "aria-controls": "detail", "aria-label": `details of ${text} on ${cell(at.task, row)}, seed ${cell(at.seed, row)}` });
          td.append(button);
        } else td.textContent = text;
        if (numeric[column]) td.className = "n";
        else if (text.length > 90) td.className = "long";
        line.append(td);
      });
      line.addEventListener("click", () => open(row));
      mark(line);
      return line;
    }));
    byId("runs-count").textContent = `${shown.length} of ${wanted.length} runs` + (wanted.length < size ? ` (${size} in all)` : "");
    byId("runs-more").hidden = shown.length === wanted.length;
  };
  byId("runs-more").addEventListener("click", () => { page += 1; draw(); });
  const heads = [...runs.tHead.rows[0].cells];
  heads.forEach((head, i) => {
    head.querySelector("button").addEventListener("click", () => {
      const column = tableColumns[i];
      order(rows, (row) => cell(column, row), turn(heads, head));
      draw();
    });
  });
  draw();
})();
