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

  // What is wider than its place fades out where there is more of it, and says so above.
  document.querySelectorAll(".scroll").forEach(function (box) {
    var said = document.createElement("p");
    said.className = "more-there";
    box.before(said);
    var look = function () {
      var more = box.scrollWidth - box.clientWidth, left = more - box.scrollLeft;
      box.classList.toggle("more", left > 1);
      if (more > 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
      said.hidden = more <= 1;
      said.textContent = left > 1 ? "more columns to the right: scroll \u2192"
                                  : "\u2190 scroll back for the first columns";
    };
    box.addEventListener("scroll", look);
    new ResizeObserver(look).observe(box);
    // A table in closed details has no width until they are opened.
    if (box.firstElementChild) new ResizeObserver(look).observe(box.firstElementChild);
    look();
  });

  // Shown is whose name holds one of the words, and of curves whose chip is pressed, too.
  document.querySelectorAll("section.scenes").forEach(function (section) {
    var field = section.querySelector(".filter input");
    var chips = section.querySelectorAll(".chip");
    var show = function () {
      var words = field ? field.value.toLowerCase().split(/[\s,]+/).filter(Boolean) : [];
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
          return trace.meta === undefined || shown[trace.meta];
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
