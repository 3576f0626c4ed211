// "Look inside": finds tokens in the plot and moves a prefix through its training, both on the picture as it stands, so
// that zoom and camera stay. Runs as the `js_on_load` of a gr.HTML: `element` is given.
// The traces by their place are those of prefix_core/ui/inside/plots.py: tokens, found, one a prefix.
const [TOKENS, FOUND] = [0, 1];
const LABELS = 60; // more would cover each other
const SECONDS = 4; // of a whole movement
const query = element.querySelector("[data-find]");
const count = element.querySelector("[data-count]");
const movement = element.querySelector("[data-movement]");
const play = movement.querySelector("button");
const slider = movement.querySelector("input");
const step = movement.querySelector("output");
let plot = null; // the one that is on the page
let playing = 0;

const plain = (text) =>
  text.replace("␣", "").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&amp;/g, "&");

function find() {
  if (!plot) return;
  const terms = query.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const tokens = plot.data[TOKENS];
  const hits = [];
  tokens.text.forEach((text, place) => {
    const token = plain(text).toLowerCase();
    if (terms.some((term) => token === term || (term.length > 2 && token.includes(term)))) hits.push(place);
  });
  const found = { text: [hits.map((place, index) => (index < LABELS ? tokens.text[place] : ""))] };
  for (const axis of "xyz") if (tokens[axis]) found[axis] = [hits.map((place) => tokens[axis][place])];
  window.Plotly.restyle(plot, found, [FOUND]);
  count.textContent = terms.length ? `${hits.length || "none"} of ${tokens.text.length} tokens` : "";
}

function move(to) {
  const { trace, steps } = plot.layout.meta;
  const before = steps[Math.floor(to)];
  const after = steps[Math.ceil(to)];
  const part = to - Math.floor(to);
  const now = {};
  ["x", "y", "z"].forEach((axis, place) => {
    if (!plot.data[trace][axis]) return;
    now[axis] = [before.points[place].map((from, vector) => from + part * (after.points[place][vector] - from))];
  });
  window.Plotly.restyle(plot, now, [trace]);
  slider.value = to;
  const last = steps[steps.length - 1].step;
  step.textContent = `step ${Math.round(before.step + part * (after.step - before.step))} of ${last}`;
  slider.setAttribute("aria-valuetext", step.textContent);
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  play.textContent = "Play";
}

function start() {
  const last = Number(slider.max);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches; // then one step after another, none between
  let began = null; // the first frame's own time, which may lie before now
  const from = Number(slider.value) >= last ? 0 : Number(slider.value);
  play.textContent = "Pause";
  const tick = (now) => {
    began ??= now;
    const to = Math.min(last, from + ((now - began) / 1000 / SECONDS) * last);
    move(still ? Math.floor(to) : to);
    if (to < last) playing = requestAnimationFrame(tick);
    else stop();
  };
  playing = requestAnimationFrame(tick);
}

function look() {
  const here = document.querySelector("#space .js-plotly-plot");
  if (here === plot || (here && !here._fullLayout)) return;
  stop();
  plot = here;
  movement.hidden = !plot?.layout.meta?.steps;
  if (!movement.hidden) {
    slider.max = slider.value = plot.layout.meta.steps.length - 1;
    const last = plot.layout.meta.steps.at(-1).step;
    step.textContent = `step ${last} of ${last}`;
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
