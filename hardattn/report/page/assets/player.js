// Steps through looks: two agents side by side on one scene. Data and frame are player.py's.
(function () {
  "use strict";
  const BOX = "rgb(235, 110, 190)", DARK = "rgb(12, 14, 18)", PACE = 900;
  const make = function (tag, words, kind) {
    const element = document.createElement(tag);
    if (words !== undefined) element.textContent = words;
    if (kind) element.className = kind;
    return element;
  };
  const percent = (share) => (100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0) + " %";

  document.querySelectorAll(".player").forEach(function (root, number) {
    const film = JSON.parse(root.querySelector(".film").textContent);
    const [width, height] = film.size;
    const find = (what) => root.querySelector(what);
    const slider = find("input"), output = find("output"), start = find("[data-step=play]");
    const pictures = {};
    const state = { scene: 0, look: 1, timer: null, touched: false };

    // A picture is decoded once, and what waits for it is drawn when it is there.
    const picture = function (address) {
      if (!pictures[address]) {
        pictures[address] = new Image();
        pictures[address].addEventListener("load", draw);
        pictures[address].src = address;
      }
      return pictures[address];
    };
    const ready = (image) => image.complete && image.naturalWidth > 0;

    // First look to last, blue over teal to yellow, as in the other pictures of the page.
    const colour = function (look, looks) {
      const last = film.stops.length - 1;
      const at = looks === 1 ? last : look / (looks - 1) * last, low = Math.min(Math.floor(at), last - 1);
      const mixed = film.stops[low].map((from, i) => Math.round(
        from + (film.stops[low + 1][i] - from) * (at - low)));
      return "rgb(" + mixed.join(", ") + ")";
    };

    const canvas = function (element, wide, high, side) {
      const unit = Math.max(1, Math.floor(side / Math.max(wide, high)));
      element.width = wide * unit;
      element.height = high * unit;
      const pen = element.getContext("2d");
      pen.imageSmoothingEnabled = false;
      return [pen, unit];
    };

    // What was not looked at yet lies in the dark; what was seen coarsely, in the dusk.
    const shade = function (pen, unit, agent, corners) {
      const dark = document.createElement("canvas");
      dark.width = pen.canvas.width;
      dark.height = pen.canvas.height;
      const over = dark.getContext("2d");
      over.fillStyle = "rgba(12, 14, 18, .62)";
      over.fillRect(0, 0, dark.width, dark.height);
      over.globalCompositeOperation = "destination-out";
      corners.forEach(function (look) {
        agent.frames.forEach(function (frame, scale) {
          const [x, y] = look[scale];
          over.globalAlpha = frame[1];
          over.fillRect(x * unit, y * unit, frame[0] * unit, frame[0] * unit);
        });
      });
      pen.drawImage(dark, 0, 0);
    };

    const target = function (unit) {
      const box = new Path2D();
      film.scenes[state.scene].boxes.forEach(function (edge) {
        box.rect(edge[0] * unit, edge[1] * unit, (edge[2] - edge[0]) * unit,
                 (edge[3] - edge[1]) * unit);
      });
      return box;
    };

    // Beside the scene, as large as the image that it is about.
    const map = function (element, play) {
      const cells = picture(play.map);
      const [pen, unit] = canvas(element, width, height, 600);
      const thick = Math.max(2, pen.canvas.width / 150);
      if (ready(cells)) pen.drawImage(cells, 0, 0, pen.canvas.width, pen.canvas.height);
      pen.setLineDash([4 * thick, 4 * thick]);
      pen.strokeStyle = BOX;
      pen.lineWidth = thick;
      pen.stroke(target(unit));
    };

    const scene = function (element, agent, play, look) {
      const image = picture(film.scenes[state.scene].image);
      const [pen, unit] = canvas(element, width, height, 600);
      const thick = Math.max(2, pen.canvas.width / 150);
      if (ready(image)) pen.drawImage(image, 0, 0, pen.canvas.width, pen.canvas.height);
      const places = play.at ? play.at.slice(0, look) : [];
      if (agent.frames && places.length) shade(pen, unit, agent, play.corners.slice(0, look));
      const stroke = function (shape, ink, wide) {
        pen.setLineDash(shape === box ? [4 * thick, 4 * thick] : []);
        pen.strokeStyle = DARK;
        pen.lineWidth = 2 * wide;
        pen.stroke(shape);
        pen.strokeStyle = ink;
        pen.lineWidth = wide;
        pen.stroke(shape);
      };
      const box = target(unit);
      stroke(box, BOX, thick);
      places.forEach(function (place, at) {
        const ink = colour(at, play.at.length), now = at === places.length - 1;
        (agent.frames || []).forEach(function (frame, scale) {
          if (scale && !now) return;
          const square = new Path2D(), [x, y] = play.corners[at][scale];
          square.rect(x * unit, y * unit, frame[0] * unit, frame[0] * unit);
          pen.globalAlpha = now ? 1 : 0.45;
          stroke(square, ink, now && !scale ? 1.3 * thick : 0.7 * thick);
          pen.globalAlpha = 1;
        });
        if (at) {
          const line = new Path2D();
          line.moveTo(places[at - 1][0] * unit, places[at - 1][1] * unit);
          line.lineTo(place[0] * unit, place[1] * unit);
          stroke(line, ink, thick);
        }
      });
      const radius = pen.canvas.width * (play.at && play.at.length > 12 ? 0.02 : 0.028);
      places.forEach(function (place, at) {
        const x = place[0] * unit, y = place[1] * unit, disc = new Path2D();
        disc.arc(x, y, radius, 0, 2 * Math.PI);
        pen.setLineDash([]);
        pen.strokeStyle = DARK;
        pen.lineWidth = thick;
        pen.stroke(disc);
        pen.fillStyle = colour(at, play.at.length);
        pen.fill(disc);
        pen.fillStyle = DARK;
        pen.font = "600 " + Math.round(1.3 * radius) + "px system-ui, sans-serif";
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        pen.fillText(at + 1, x, y);
      });
    };

    const glimpse = function (element, play, look) {
      const strip = picture(play.seen);
      if (!ready(strip)) return;
      const wide = strip.naturalWidth / play.says.length;
      const [pen] = canvas(element, wide, strip.naturalHeight, 600);
      pen.drawImage(strip, (look - 1) * wide, 0, wide, strip.naturalHeight, 0, 0,
                    pen.canvas.width, pen.canvas.height);
    };

    const belief = function (list, play, look) {
      const chances = play.belief[look - 1], best = Math.max(...chances);
      list.replaceChildren(...play.shown.map(function (answer, at) {
        const line = make("li"), bar = make("span", undefined, "bar");
        const name = answer < film.classes.length ? film.classes[answer] : "end";
        const isTrue = answer === film.scenes[state.scene].target;
        bar.style.setProperty("--share", chances[at]);
        line.className = (chances[at] === best ? "best " : "") + (isTrue ? "true" : "");
        line.append(make("span", name, "name"), bar, make("span", percent(chances[at]), "share"));
        if (isTrue) line.append(make("span", "true", "mark"));
        return line;
      }));
    };

    const seat = function (element) {
      const agent = film.agents[element.querySelector("select").value];
      const play = agent.plays[state.scene], looks = play.says.length;
      const look = Math.min(state.look, looks), at = look - 1;
      const [where, what, attended] = element.querySelectorAll("figure");
      const alone = looks === 1 ? "one look" : "look " + look + " of " + looks;
      // Of scenes without a box nobody knows where the target is.
      const told = play.at && play.hit ? [", off the target", ", on the target"] : ["", ""];
      const hit = told[play.hit && play.hit[at] ? 1 : 0];
      const verdict = play.right[at] ? "right" : "wrong";
      const words = (play.at ? alone + hit : "everything at once") + ": says " + play.says[at] +
        ", " + percent(play.sure[at]) + " sure";
      scene(where.firstChild, agent, play, look);
      where.firstChild.setAttribute("aria-label", agent.title + ", " + words);
      where.lastChild.textContent = play.at ? "where it looked" : "it sees everything";
      attended.hidden = !play.map;
      if (play.map) {
        const whose = agent.activation ? "what the answer is read from" : "its attention map";
        map(attended.firstChild, play);
        attended.lastChild.textContent = whose + ", " + play.peak;
        attended.firstChild.setAttribute("aria-label", attended.lastChild.textContent);
      }
      what.hidden = !play.seen;
      what.parentNode.hidden = what.hidden && attended.hidden;
      if (play.seen) {
        glimpse(what.firstChild, play, look);
        what.firstChild.setAttribute("aria-label", "what it saw at look " + look);
        what.lastChild.textContent = "what it saw at look " + look;
      }
      element.querySelector(".belief").hidden = !play.shown.length;
      belief(element.querySelector("ol"), play, look);
      const said = element.querySelector(".said");
      said.replaceChildren(make("b", (play.right[at] ? "✓ " : "✗ ") + verdict, verdict),
                           " – " + words + (look < state.look ? " (it has no more looks)" : ""));
    };

    const draw = function () {
      root.querySelectorAll(".seat").forEach(seat);
    };
    const most = () => Math.max(...[...root.querySelectorAll("select")].map(
      (choice) => film.agents[choice.value].plays[state.scene].says.length));

    // #scene=12&look=3 is where this page stands, so that a link to it leads there; of several
    // players, which one.
    const linked = function () {
      const asked = new URLSearchParams(location.hash.slice(1));
      if (!asked.has("scene") || (Number(asked.get("player")) || 0) !== number) return null;
      const scene = Math.round(Number(asked.get("scene"))) - 1;
      if (!(scene >= 0 && scene < film.scenes.length)) return null;
      return { scene: scene, look: Math.round(Number(asked.get("look"))) || Infinity };
    };
    const link = function () {
      const where = "#scene=" + (state.scene + 1) + "&look=" + state.look +
        (number ? "&player=" + number : "");
      history.replaceState(null, "", where);
    };

    const show = function (change) {
      Object.assign(state, change);
      const last = most();
      state.look = Math.min(Math.max(state.look, 1), last);
      slider.max = last;
      slider.value = state.look;
      slider.disabled = last === 1;
      slider.setAttribute("aria-valuetext", "look " + state.look + " of " + last);
      output.textContent = state.look + " of " + last;
      root.querySelectorAll(".strip button").forEach(function (button, at) {
        button.setAttribute("aria-pressed", at === state.scene);
      });
      draw();
      if (state.touched) link();
    };
    const stop = function () {
      clearInterval(state.timer);
      state.timer = null;
      start.textContent = "Play";
      start.setAttribute("aria-pressed", "false");
    };
    const play = function () {
      if (state.timer !== null) return stop();
      start.textContent = "Pause";
      start.setAttribute("aria-pressed", "true");
      if (state.look >= most()) show({ look: 1 });
      state.timer = setInterval(function () {
        if (state.look >= most()) stop();
        else show({ look: state.look + 1 });
      }, PACE);
    };
    const steps = {
      first: () => show({ look: 1 }),
      back: () => show({ look: state.look - 1 }),
      on: () => show({ look: state.look + 1 }),
      last: () => show({ look: Infinity }),
    };
    const step = function (name) {
      stop();
      steps[name]();
    };

    film.scenes.forEach(function (one, at) {
      const button = make("button"), image = make("img");
      image.src = one.image;
      image.alt = "";
      button.title = one.truth;
      button.append(image, make("span", one.truth));
      button.setAttribute("aria-label", "scene " + (at + 1) + ": " + one.truth);
      button.addEventListener("click", function () {
        stop();
        show({ scene: at, look: Infinity });
      });
      find(".strip").append(button);
    });
    root.querySelectorAll("select").forEach(function (choice, side) {
      film.agents.forEach(function (agent, at) {
        const option = make("option", agent.title + " (" + agent.sees + ", seed " + agent.seed + ")");
        option.value = at;
        choice.append(option);
      });
      choice.value = film.seated[side];
      choice.addEventListener("change", () => show({}));
    });
    root.querySelectorAll("[data-step]").forEach(function (button) {
      const name = button.dataset.step;
      button.addEventListener("click", () => name === "play" ? play() : step(name));
    });
    slider.addEventListener("input", function () {
      stop();
      show({ look: Number(slider.value) });
    });
    root.addEventListener("keydown", function (event) {
      const keys = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };
      if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) {
        return;
      }
      if (event.key.toLowerCase() === "p") play();
      else if (keys[event.key]) step(keys[event.key]);
      else return;
      event.preventDefault();
    });
    // Only what somebody did here is worth a link.
    ["click", "input", "keydown"].forEach(function (kind) {
      root.addEventListener(kind, function () { state.touched = true; }, true);
    });
    addEventListener("hashchange", function () {
      const asked = linked();
      if (!asked) return;
      stop();
      show(asked);
    });
    // The picture of both agents after each look, as it stands in the page, and what is said of it.
    const frame = function () {
      const seats = [...root.querySelectorAll(".seat")], gap = 16, line = 44;
      const wide = 360, high = Math.round(wide * height / width);
      const whole = document.createElement("canvas");
      whole.width = gap + seats.length * (wide + gap);
      whole.height = high + 2 * gap + line;
      const pen = whole.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, whole.width, whole.height);
      seats.forEach(function (seat, at) {
        const left = gap + at * (wide + gap), title = seat.querySelector("select").selectedOptions[0];
        pen.imageSmoothingEnabled = true;
        pen.drawImage(seat.querySelector(".where"), left, gap, wide, high);
        pen.fillStyle = "#24292f";
        pen.textBaseline = "top";
        pen.font = "600 14px system-ui, sans-serif";
        pen.fillText(title.textContent.split(" (")[0], left, gap + high + 6, wide);
        pen.font = "13px system-ui, sans-serif";
        pen.fillText(seat.querySelector(".said").textContent, left, gap + high + 25, wide);
      });
      return pen.getImageData(0, 0, whole.width, whole.height);
    };
    const animation = function () {
      const before = state.look, last = most(), film = [];
      for (let look = 1; look <= last; look++) {
        state.look = look;
        draw();
        film.push({ image: frame(), wait: look === last ? 3 * PACE : PACE });
      }
      state.look = before;
      draw();
      return encodeGif(film);
    };
    find("[data-save]").addEventListener("click", function () {
      stop();
      const address = URL.createObjectURL(new Blob([animation()], { type: "image/gif" }));
      const anchor = make("a");
      anchor.href = address;
      anchor.download = "scene-" + (state.scene + 1) + ".gif";
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    });
    root.animation = animation;
    root.classList.toggle("wide", width > 2 * height);
    find(".steps-only").hidden = film.agents.every(
      (agent) => agent.plays.every((one) => one.says.length === 1));
    show(linked() || { look: Infinity });
    if (linked()) root.scrollIntoView();
  });
})();
