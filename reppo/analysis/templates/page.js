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
  const { columns, labels, numeric, values, curves, heights } = data;
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
  const sparkline = (row) => {
    const NS = "http://www.w3.org/2000/svg";
    const points = [...curves[row]].map((letter) => (letter === "." ? null : heights.indexOf(letter) / 63));
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", "0 0 340 90");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "evaluation return over training, from the lowest to the highest return of any run on the task");
    const path = document.createElementNS(NS, "path");
    const step = 340 / Math.max(points.length - 1, 1);
    let text = "", pen = "M";
    points.forEach((y, i) => {
      if (y === null) { pen = "M"; return; }
      text += `${pen}${(i * step).toFixed(1)} ${(86 - 82 * y).toFixed(1)}`;
      pen = "L";
    });
    path.setAttribute("d", text);
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "1.5");
    path.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(path);
    return svg;
  };
  const detail = byId("detail");
  const open = (row) => {
    chosen = row;
    const list = make("dl");
    columns.forEach((name, column) => {
      const pair = make("div");
      pair.append(make("dt", name.replaceAll("_", " ")), make("dd", write(column, cell(column, row))));
      list.append(pair);
    });
    const head = make("h3", `${cell(at.arm, row)} on ${cell(at.task, row)}, seed ${cell(at.seed, row)}`);
    const caption = make("p", "Evaluation return over training; the frame spans what any run reached on the task.", { class: "soft" });
    detail.replaceChildren(head, sparkline(row), caption, list);
    detail.hidden = false;
    draw();
    detail.scrollIntoView({ block: "nearest" });
  };
  const draw = () => {
    const wanted = rows.filter((row) => selects.every(([column, select]) => !select.value || cell(column, row) === select.value));
    const shown = wanted.slice(0, page * PAGE);
    body.replaceChildren(...shown.map((row) => {
      const line = make("tr");
      if (row === chosen) line.className = "open";
      tableColumns.forEach((column, i) => {
        const td = make("td");
        const text = write(column, cell(column, row));
        if (i === 0) {
          const button = make("button", text, { type: "button", class: "more", "aria-label": `details of ${text}, seed ${cell(at.seed, row)}` });
          td.append(button);
        } else td.textContent = text;
        if (numeric[column]) td.className = "n";
        line.append(td);
      });
      line.addEventListener("click", () => open(row));
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
