// Draws the formulas of a page with KaTeX 0.19.1, from the folder beside this file (MIT; of its fonts those that formulas
// need, as woff2). Pages without formulas load nothing of it.
const katexFolder = new URL("katex/", document.currentScript.src);

document.addEventListener("DOMContentLoaded", () => {
  const formulas = document.querySelectorAll(".arithmatex");
  if (!formulas.length) return;
  const style = Object.assign(document.createElement("link"), {
    rel: "stylesheet",
    href: new URL("katex.min.css", katexFolder),
  });
  const script = Object.assign(document.createElement("script"), {
    src: new URL("katex.min.js", katexFolder),
    onload: () => {
      for (const formula of formulas) {
        const source = formula.textContent.trim().slice(2, -2); // between \( and \), or \[ and \]
        katex.render(source, formula, { displayMode: formula.tagName === "DIV" });
      }
    },
  });
  document.head.append(style, script);
});
