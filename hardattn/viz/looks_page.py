"""A page that steps through the looks at pictures: one file, without anything from elsewhere."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from hardattn.looking.look import Looked
from hardattn.viz.looks import PACE, frames, png

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; background: #fff; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem }
figure { margin: 2rem 0; border: 1px solid #d0d7de; border-radius: 6px; padding: 1rem }
figure img { max-width: 100%; height: auto; display: block }
figure img[hidden] { display: none }
figcaption { margin-bottom: .5rem }
.steps { display: flex; gap: .75rem; align-items: center; margin: .5rem 0 }
.steps input { flex: 1; max-width: 24rem }
button { font: inherit; padding: .2rem .9rem }
code { background: #f6f8fa; padding: .1rem .3rem; border-radius: 4px; word-break: break-all }
"""
# A picture after each look lies in the page; without scripts the last one, which has all, is shown.
SCRIPT = """
for (const figure of document.querySelectorAll("figure")) {
  const images = [...figure.querySelectorAll("img")], steps = figure.querySelector(".steps");
  if (!steps) continue;
  const [slider, button, said] = ["input", "button", "output"].map(one => steps.querySelector(one));
  let timer = 0;
  const show = at => {
    images.forEach((image, number) => { image.hidden = number !== at });
    slider.value = at;
    said.textContent = `look ${at + 1} of ${images.length}`;
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "play" };
  const next = () => {
    const at = (Number(slider.value) + 1) % images.length;
    show(at);
    if (at === images.length - 1) stop();
  };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)) });
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "pause";
    next();
    timer = setInterval(next, PACE);
  });
  steps.hidden = false;
  show(images.length - 1);
}
"""


def page(looked: Sequence[Sequence[Looked]], command: str) -> str:
    """The text of the page. looked: of each picture what one or two agents did with it."""
    first = looked[0][0]
    title = f"{escape(first.subject.name)} looks at {escape(first.picture.split(',')[0])}"
    figures = "\n".join(_figure(several) for several in looked)
    script = SCRIPT.replace("PACE", str(PACE))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>Made by <code>{escape(command)}</code></p>\n{figures}\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _figure(several: Sequence[Looked]) -> str:
    film = frames(several)
    said = "; ".join(f"{one.subject.name}: {_best(one)}" for one in several)
    images = "\n".join(
        f'<img{"" if number == len(film) else " hidden"} alt="{escape(said)}, '
        f'after look {number}" src="data:image/png;base64,{b64encode(png(each)).decode()}">'
        for number, each in enumerate(film, 1)
    )
    last = len(film) - 1
    steps = (
        '<div class="steps" hidden><button type="button">play</button>'
        f'<input type="range" min="0" max="{last}" value="{last}" aria-label="look">'
        "<output></output></div>\n"
    )
    caption = f"<figcaption>{escape(several[0].picture)}. {escape(said)}.</figcaption>"
    return f"<figure>\n{caption}\n{steps if last else ''}{images}\n</figure>"


def _best(looked: Looked) -> str:
    return ", ".join(f"{answer} ({100 * share:.0f} %)" for answer, share in looked.best())
