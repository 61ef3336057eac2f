"""The page's colours, style sheet and script: light and dark, wide and narrow, nothing fetched."""

# Mid lightness, 3:1 or more on white and on near-black; neighbours differ for the colour-blind.
PALETTE = (
    "#2f7ed8",
    "#d9730d",
    "#199a78",
    "#c2559d",
    "#7d6bd6",
    "#b08800",
    "#d1495b",
    "#2a9db0",
)
GREYS = ("#7b8490", "#97876f", "#6f8a86", "#8a7790")

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f7f8fa; --ink: #1d2126; --soft: #5a636e; --rule: #dfe3e8;
  --accent: #2167b8; --grid: #e8ebef; --right: #00795a; --wrong: #b84f00; --picture: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --raised: #1c2026; --ink: #e4e7eb; --soft: #9aa4b0; --rule: #2d333b;
    --accent: #79b4f5; --grid: #262c34; --right: #45c9a0; --wrong: #f5924a; --picture: #1c2026;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1400px; margin: 0 auto; padding: 2.5rem 2.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 650; margin: 0 0 .35rem;
     letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.2rem; font-weight: 650; margin: 3rem 0 .25rem; }
h3 { font-size: 1rem; font-weight: 600; margin: 0 0 .1rem; }
p { margin: .25rem 0 .75rem; max-width: 75ch; }
p code { overflow-wrap: anywhere; }
code { font: .86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.soft, figcaption, .notes { color: var(--soft); }
.soft, figcaption, .notes { font-size: .875rem; }
section.scenes { margin-top: 2rem; padding-top: 1.75rem; border-top: 1px solid var(--rule); }
section.scenes > h2:first-child { margin-top: 0; }
header + section.scenes { border-top: 0; padding-top: 0; margin-top: 1.25rem; }
a { color: var(--accent); text-underline-offset: .15em; }
.eyebrow { color: var(--soft); font-size: .875rem; font-weight: 600; margin: 0 0 .4rem; }
section.scenes > .eyebrow + h2 { margin-top: 0; font-size: 1.4rem; line-height: 1.3; }
.findings { display: grid; gap: 1rem; margin: 1.25rem 0 0;
            grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.finding { background: var(--raised); border: 1px solid var(--rule); border-radius: 8px;
           padding: 1.1rem 1.25rem 1rem; }
.finding .sees { font-size: .8rem; font-weight: 600; color: var(--soft); margin: 0; }
.finding .who { font-weight: 600; margin: .35rem 0 0; }
.finding .figure { font-size: 2rem; line-height: 1.2; font-weight: 650; margin: 0;
                   font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
.finding .figure small { font-size: .875rem; font-weight: 400; color: var(--soft);
                         letter-spacing: 0; margin-left: .35rem; }
.finding .range { margin: 0 0 .6rem; }
.finding p:last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; margin: .75rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem;
        font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .55rem; text-align: right; white-space: nowrap; }
th.text, td.text { text-align: left; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; vertical-align: bottom;
           padding: 0; }
thead button { all: unset; cursor: pointer; display: block; padding: .45rem .55rem;
               white-space: normal; width: 100%; box-sizing: border-box; min-width: 4.2em; }
thead button:hover { color: var(--accent); }
thead button:focus-visible, .chip:focus-visible {
  outline: 2px solid var(--accent); outline-offset: -2px; }
thead button::after { content: "\\2195"; opacity: .35; margin-left: .25em; font-size: .8em; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
tbody td { border-bottom: 1px solid var(--rule); }
tbody tr.class th { text-align: left; font-size: .8rem; color: var(--soft); font-weight: 600;
                    padding-top: 1.1rem; border-bottom: 1px solid var(--rule); }
tbody tr.class th span { position: sticky; left: .55rem; }
tbody:first-of-type tr.class th { padding-top: .6rem; }
td.name, th.name { position: sticky; left: 0; background: var(--paper); z-index: 1; }
td.name .swatch { margin-right: .5rem; }
td .range { color: var(--soft); }
td b { font-weight: inherit; }
td.no, td.worse { color: var(--wrong); font-weight: 600; }
tr.best td.name, tr.best td.error b { font-weight: 650; }
.swatch { display: inline-block; width: 1.35rem; height: 0; vertical-align: .28em;
          border-top: 3px solid var(--c); }
.swatch.dash { border-top-style: dashed; }
.notes { margin: .5rem 0 0; padding: 0 0 0 1.1rem; max-width: 95ch; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem .5rem; margin: .75rem 0 1rem;
          align-items: center; }
.legend .of { color: var(--soft); font-size: .8rem; margin: 0 .15rem 0 .6rem; }
.legend .of:first-child { margin-left: 0; }
.chip { font: inherit; font-size: .85rem; color: inherit; background: none; cursor: pointer;
        border: 1px solid var(--rule); border-radius: 999px; padding: .15rem .7rem; }
.chip .swatch { margin-right: .45rem; }
.chip[aria-pressed=false] { opacity: .45; text-decoration: line-through; }
.chart { min-width: 0; }
.charts { display: grid; gap: 1.75rem 2rem;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 350px), 1fr)); }
figure { margin: 0; min-width: 0; }
.plot { width: 100%; height: 340px; }
.charts p { font-size: .875rem; color: var(--soft); margin: 0 0 .25rem; min-height: 2.8em; }
figure.print { max-width: 940px; }
.print .legend { gap: .3rem 1.4rem; font-size: .875rem; }
.print .legend:empty { display: none; }
.print .legend > span > .swatch { margin-right: .5rem; }
.panels { display: grid; gap: 1.5rem 2rem; margin-top: .75rem;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 350px), 1fr)); }
.panels svg { display: block; width: 100%; max-width: 440px; height: auto; overflow: visible; }
figcaption { border-top: 1px solid var(--rule); padding-top: .4rem; }
figcaption { margin-top: .9rem; }
figcaption, p.made { font-size: .8rem; max-width: none; }
.looks { display: grid; gap: 1rem .8rem; align-items: start; min-width: min-content;
         grid-template-columns: 9.5rem repeat(var(--n), minmax(150px, 1fr)); }
.looks .who { position: sticky; left: 0; z-index: 1; background: var(--paper); align-self: stretch;
              padding-right: .5rem; font-size: .9rem; font-weight: 600; line-height: 1.35; }
.looks .who small { display: block; font-weight: 400; color: var(--soft); margin-top: .2rem; }
.looks .head { font-size: .85rem; color: var(--soft); }
.looks .head b { color: var(--ink); font-weight: 600; }
.look img { display: block; width: 100%; height: auto; border-radius: 3px; }
.look img + img { margin-top: 5px; }
.look div { font-size: .85rem; margin-top: .3rem; font-variant-numeric: tabular-nums; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
.key { display: inline-block; width: 6rem; height: .55rem; border-radius: 3px; margin: 0 .35rem;
       background: linear-gradient(90deg, #4a90ff, #20c8b2, #ffe046); }
.maps { display: grid; gap: 1.25rem 2rem; margin-top: .75rem;
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); }
.maps article { min-width: 0; }
.maps h3 { font-size: .875rem; margin-bottom: .3rem; }
.maps small { font-weight: 400; color: var(--soft); margin-left: .35rem; }
.maps div { display: grid; grid-template-columns: repeat(var(--n), 1fr); gap: .3rem; }
.maps .map { display: block; min-width: 0; font-size: .75rem; line-height: 1.5; }
.map image { image-rendering: pixelated; }
.map svg { display: block; width: 100%; height: auto; border-radius: 2px; }
.map b { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
         font-weight: 500; }
.key.heat { background: linear-gradient(90deg, transparent, #ff7800); }
.filter { position: sticky; top: 0; z-index: 2; display: block; padding: .6rem 0;
          margin-top: 2rem; background: var(--paper); font-size: .875rem; }
.filter + h2 { margin-top: 1rem; }
.filter input { font: inherit; color: inherit; background: var(--raised); margin-left: .5rem;
                border: 1px solid var(--rule); border-radius: 6px; padding: .35rem .6rem;
                width: min(24rem, 60vw); }
[hidden] { display: none !important; }
summary { cursor: pointer; font-size: .875rem; }
.runs td { white-space: nowrap; vertical-align: top; }
.runs td, .runs th { text-align: left; }
.runs th { border-bottom: 1px solid var(--ink); padding: .45rem .7rem; }
.runs td:nth-child(4) code { white-space: pre-wrap; display: inline-block; width: 19rem; }
@media (max-width: 640px) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  .charts p { min-height: 0; }
  td.name { white-space: normal; min-width: 8.5rem; max-width: 8.5rem; }
  .looks { grid-template-columns: 6.2rem repeat(var(--n), 150px); }
}
@media print { .chip, thead button::after { display: none; } }
"""

SCRIPT = """
(function () {
  "use strict";
  var charts = JSON.parse(document.getElementById("charts").textContent);
  var css = function (name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  };
  var skin = function (layout) {
    layout.font = { family: getComputedStyle(document.body).fontFamily, size: 12,
                    color: css("--soft") };
    layout.hoverlabel = { align: "left", bgcolor: css("--raised"), bordercolor: css("--rule"),
                          font: { color: css("--ink") } };
    ["xaxis", "yaxis"].forEach(function (axis) { layout[axis].gridcolor = css("--grid"); });
    return layout;
  };
  var plots = Object.keys(charts).map(function (id) {
    var element = document.getElementById(id), chart = charts[id];
    Plotly.newPlot(element, chart.data, skin(chart.layout),
                   { responsive: true, displaylogo: false, displayModeBar: false });
    return element;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    plots.forEach(function (plot) { Plotly.relayout(plot, skin(plot.layout)); });
  });

  // Shown is whose name holds one of the words, and of curves whose chip is pressed, too.
  document.querySelectorAll("section.scenes").forEach(function (section) {
    var field = section.querySelector(".filter input");
    var chips = section.querySelectorAll(".chip");
    var show = function () {
      var words = field ? field.value.toLowerCase().split(/[\\s,]+/).filter(Boolean) : [];
      section.querySelectorAll("[data-title]").forEach(function (element) {
        var title = element.dataset.title.toLowerCase();
        element.hidden = words.length > 0 && !words.some(function (word) {
          return title.indexOf(word) >= 0;
        });
      });
      var shown = {};
      chips.forEach(function (chip) {
        shown[chip.dataset.name] = !chip.hidden && chip.getAttribute("aria-pressed") === "true";
      });
      plots.forEach(function (plot) {
        if (!section.contains(plot)) return;
        Plotly.restyle(plot, { visible: plot.data.map(function (trace) {
          return shown[trace.meta];
        }) });
      });
    };
    chips.forEach(function (chip) {
      chip.addEventListener("click", function () {
        chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
        show();
      });
    });
    if (field) field.addEventListener("input", show);
  });

  // Rows change places within their class only: an order across classes would be a ranking.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("thead th").forEach(function (other) {
          other.removeAttribute("aria-sort");
        });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.prototype.forEach.call(table.tBodies, function (body) {
          var rows = Array.prototype.slice.call(body.querySelectorAll("tr.row"));
          rows.sort(function (a, b) {
            var x = a.cells[column].dataset.value, y = b.cells[column].dataset.value;
            if (x === "" || y === "") return (x === "") - (y === "");
            var numbers = !isNaN(x) && !isNaN(y);
            var order = numbers ? x - y : x.localeCompare(y);
            return down ? -order : order;
          });
          rows.forEach(function (row) { body.appendChild(row); });
        });
      });
    });
  });
})();
"""
