// "Where it acts": a text shaded by what a prefix changes, what comes next with and without it, and the attention it
// gained. Runs as the `js_on_load` of a gr.HTML: `element`, `props` and `watch` are given.
// props.value: {places, words}; a place as prefix_core/studies/acts.py writes it, by head; words: what the prefix began
// as. All texts are set as text, so nothing a model wrote is read as HTML.
const SVG = "http://www.w3.org/2000/svg";
const END = "⏎ end";
const find = (selector) => element.querySelector(selector);
const [box, text, map, heads] = [".acts", ".acts-text", "[data-map]", "[data-heads]"].map(find);
let places = [];
let words = [];
let part = "share";
let at = { place: 0, layer: 0 };
let largest = 1; // share of attention, of the means over heads

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
const shown = (token) => (token ?? END).replace(/^ /, "␣").replace(/\n/g, "⏎") || "…"; // a part of a character
const points = (share) => `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(1)}`;
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

function make(tag, content = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = content;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function cells(svg, columns, rows, share, scale) {
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren();
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const value = share(column, row);
      const cell = document.createElementNS(SVG, "rect");
      const strength = Math.min(1, Math.abs(value) / scale);
      const place = { x: column, y: row, width: 1, height: 1, "fill-opacity": strength.toFixed(3) };
      for (const [name, number] of Object.entries(place)) cell.setAttribute(name, number);
      cell.setAttribute("class", value < 0 ? "less" : "more");
      svg.append(cell);
    }
  }
  const mark = document.createElementNS(SVG, "rect");
  mark.setAttribute("class", "mark");
  svg.append(mark);
}

function mark(svg, x, y, width, height) {
  const place = { x, y, width, height };
  for (const [name, number] of Object.entries(place)) svg.lastChild.setAttribute(name, number);
}

function drawMap() {
  const layers = places[0][part].length;
  const means = places.map((place) => place[part].map(mean));
  largest = Math.max(0.001, ...means.flat().map(Math.abs));
  cells(map, places.length, layers, (place, layer) => means[place][layer], largest);
  map.style.height = `${Math.max(180, 9 * layers)}px`;
  heads.style.height = map.style.height;
  find("[data-last]").textContent = `layer ${layers}`;
  find("[data-less]").textContent = `${points(-largest)} points: less than at its start`;
  find("[data-more]").textContent = `${points(largest)} points: more`;
}

function list(target, entries) {
  target.replaceChildren(...entries.map(({ name, share, bar, own }) => {
    const item = make("li", "", own ? { class: "own" } : {});
    item.style.setProperty("--bar", `${(100 * Math.max(0, bar)).toFixed(1)}%`);
    item.append(make("code", name), make("span", share));
    return item;
  }));
}

function select(place, layer = at.layer) {
  at = { place, layer };
  const here = places[place];
  const layers = here[part].length;
  Array.from(text.children).forEach((token, index) => {
    token.tabIndex = index === place ? 0 : -1;
    if (index === place) token.setAttribute("aria-current", "true");
    else token.removeAttribute("aria-current");
  });
  find("[data-where]").textContent = here.token === null ? "after the text" : `where “${shown(here.token)}” was written`;
  const next = (entries) =>
    entries.map(({ token, probability }) => ({
      name: shown(token || null), share: percent(probability), bar: probability, own: (token || null) === here.token,
    }));
  list(find("[data-with]"), next(here.next));
  list(find("[data-without]"), next(here.next_without));
  find("[data-kl]").textContent = `The two differ by ${here.divergence.toFixed(2)} nats (KL).`;
  list(find("[data-vectors]"), here.vectors.map(({ vector, gained }) => ({
    name: `${vector}${words[vector - 1] ? `, started as ${shown(words[vector - 1])}` : ""}`,
    share: `${points(gained)} points${vector === 1 ? ", the sink" : ""}`, bar: gained / here.vectors[0].gained,
  })));
  const most = Math.max(0.001, ...here[part].flat().map(Math.abs));
  cells(heads, here[part][0].length, layers, (head, row) => here[part][row][head], most);
  find("[data-heads-of]").textContent = `its ${here[part][0].length} heads`;
  mark(map, place, 0, 1, layers);
  mark(heads, 0, layer, here[part][0].length, 1);
  const each = here[part][layer].map(points).join(", ");
  const gained = points(mean(here[part][layer]));
  find("[data-reading]").textContent = `Layer ${layer + 1} at “${shown(here.token)}”: ${gained} percentage points; by head: ${each}`;
}

function go(place, layer) {
  const last = places.length - 1;
  const lowest = places[0][part].length - 1;
  select(Math.max(0, Math.min(last, place)), Math.max(0, Math.min(lowest, layer)));
  text.children[at.place].focus();
}

function draw() {
  const value = props.value;
  box.hidden = !value?.places?.length;
  if (box.hidden) return;
  ({ places, words } = value);
  const most = Math.max(0.01, ...places.map((place) => place.divergence));
  text.replaceChildren(...places.map((place) => {
    const token = make("button", place.token ?? END, { type: "button", class: place.token === null ? "end" : "" });
    token.style.setProperty("--heat", `${(100 * Math.sqrt(place.divergence / most)).toFixed(1)}%`);
    token.title = `${place.divergence.toFixed(2)} nats`;
    return token;
  }));
  find("[data-most]").textContent = `changed by ${most.toFixed(1)} nats (KL)`;
  drawMap();
  const strongest = places.reduce((best, place, index) => (place.divergence > places[best].divergence ? index : best), 0);
  const gains = places[strongest][part].map(mean);
  select(strongest, gains.indexOf(Math.max(...gains)));
}

text.addEventListener("click", (event) => {
  const place = Array.from(text.children).indexOf(event.target);
  if (place >= 0) select(place);
});
text.addEventListener("keydown", (event) => {
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [0, 0];
  const to = { Home: 0, End: places.length - 1 }[event.key] ?? at.place + across;
  if (to === at.place && !down) return;
  event.preventDefault();
  go(to, at.layer + down);
});
for (const svg of [map, heads]) {
  svg.addEventListener("click", (event) => {
    const { left, top, width, height } = svg.getBoundingClientRect();
    const layer = Math.floor(((event.clientY - top) / height) * places[0][part].length);
    const place = svg === map ? Math.floor(((event.clientX - left) / width) * places.length) : at.place;
    go(place, layer);
  });
}
for (const button of element.querySelectorAll("[data-part]")) {
  button.addEventListener("click", () => {
    part = button.dataset.part;
    for (const other of element.querySelectorAll("[data-part]")) other.setAttribute("aria-pressed", other === button);
    drawMap();
    select(at.place);
  });
}
watch("value", draw);
draw();
