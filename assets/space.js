// "Look inside": finds tokens in the plot, tells what is nearest to a dot, and moves the prefixes through their training,
// all on the picture as it stands, so that zoom and camera stay. Runs as the `js_on_load` of a gr.HTML: `element` is given.
// The traces by their place are those of prefix_core/ui/inside/plots.py: tokens, found, one a prefix.
const [TOKENS, FOUND] = [0, 1];
const LABELS = 60; // more would cover each other
const SECONDS = 6; // of a whole movement
const query = element.querySelector("[data-find]");
const count = element.querySelector("[data-count]");
const neighbours = element.querySelector("[data-neighbours]");
const movement = element.querySelector("[data-movement]");
const kept = element.querySelector("[data-kept]");
const play = movement.querySelector("button");
const slider = movement.querySelector("input");
const step = movement.querySelector("output");
let plot = null; // the one that is on the page
let playing = 0;

const plain = (text, spaced = false) =>
  text.replace("␣", spaced ? "␣" : "").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&amp;/g, "&");

// Rings around some of the tokens, with their texts beside the first LABELS of them.
function ring(hits) {
  const tokens = plot.data[TOKENS];
  const found = { text: [hits.map((place, index) => (index < LABELS ? tokens.text[place] : ""))] };
  for (const axis of "xyz") if (tokens[axis]) found[axis] = [hits.map((place) => tokens[axis][place])];
  window.Plotly.restyle(plot, found, [FOUND]);
}

function find() {
  if (!plot) return;
  const terms = query.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const texts = plot.data[TOKENS].text;
  const hits = [];
  texts.forEach((text, place) => {
    const token = plain(text).toLowerCase();
    if (terms.some((term) => token === term || (term.length > 2 && token.includes(term)))) hits.push(place);
  });
  neighbours.hidden = true;
  ring(hits);
  count.textContent = terms.length ? `${hits.length || "none"} of ${texts.length} tokens` : "";
}

// What is nearest to a dot in the layer's own space. Its customdata: token, distance, token, distance ...
function tell(point) {
  const near = point.customdata;
  if (!near?.length) return;
  const texts = plot.data[TOKENS].text;
  const places = near.filter((_, index) => index % 2 === 0);
  const dot = plain((point.text ?? "").split("<br>nearest")[0].replace("<br>", ", "), true);
  const words = places.map((place, index) => `${plain(texts[place], true)} ${near[2 * index + 1].toFixed(1)}`);
  neighbours.textContent = `Nearest to ${dot}: ${words.join(", ")}`;
  neighbours.hidden = false;
  count.textContent = "";
  ring(places);
}

// The points of a way when `part` of its training is over, between two steps in a straight line.
function pointsAt(steps, part) {
  const now = part * steps[steps.length - 1].step;
  const after = Math.max(1, steps.findIndex(({ step }) => step >= now));
  const [from, to] = [steps[after - 1], steps[after]];
  const share = (now - from.step) / (to.step - from.step);
  return from.points.map((axis, place) => axis.map((value, vector) => value + share * (to.points[place][vector] - value)));
}

function move(part) {
  const { ways } = plot.layout.meta;
  const now = {};
  const points = ways.map(({ steps }) => pointsAt(steps, part));
  ["x", "y", "z"].forEach((axis, place) => {
    if (plot.data[TOKENS][axis]) now[axis] = points.map((axes) => axes[place]);
  });
  window.Plotly.restyle(plot, now, ways.map(({ trace }) => trace));
  slider.value = part;
  say(part);
}

function say(part) {
  const { ways } = plot.layout.meta;
  const last = ways[0].steps[ways[0].steps.length - 1].step;
  step.textContent = ways.length > 1 ? `${Math.round(100 * part)}% of each training` : `step ${Math.round(part * last)} of ${last}`;
  slider.setAttribute("aria-valuetext", step.textContent);
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  play.textContent = "Play";
}

function start() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches; // then eight pictures, nothing moves between
  let began = null; // the first frame's own time, which may lie before now
  const from = Number(slider.value) >= 1 ? 0 : Number(slider.value);
  play.textContent = "Pause";
  const tick = (now) => {
    began ??= now;
    const to = Math.min(1, from + (now - began) / 1000 / SECONDS);
    move(still ? Math.floor(8 * to) / 8 : to);
    if (to < 1) playing = requestAnimationFrame(tick);
    else stop();
  };
  playing = requestAnimationFrame(tick);
}

function look() {
  const here = document.querySelector("#space .js-plotly-plot");
  if (here === plot || (here && !here._fullLayout)) return;
  stop();
  plot = here;
  neighbours.hidden = true;
  plot?.on("plotly_click", ({ points }) => tell(points[0]));
  const ways = plot?.layout.meta?.ways;
  movement.hidden = !ways;
  if (ways) {
    kept.textContent = plot.layout.meta.whole
      ? "From the words it started as to where it is now, step by step."
      : "From the words it started as to where it is now. The steps in between were not saved, so it moves in a straight line.";
    slider.value = 1;
    say(1);
  }
  if (query.value) find();
}

query.addEventListener("input", (event) => {
  event.stopPropagation();
  find();
});
slider.addEventListener("input", (event) => {
  event.stopPropagation();
  stop();
  move(Number(slider.value));
});
play.addEventListener("click", () => (playing ? stop() : start()));
new MutationObserver(look).observe(document.querySelector("#inside"), { childList: true, subtree: true });
