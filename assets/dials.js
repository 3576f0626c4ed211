// The two dials at the prefix pane: how strong the prefix is, and in which layers it acts.
// Runs as the `js_on_load` of a gr.HTML, once for each: `element`, `props`, `trigger` and `watch` are given.
// Strength: a number; the dial's stops are 0, then half powers of two from 1/8 to 8, with 1 in the middle.
// Layers: "" for all of `props.most`, or "5-12".
const [first, last] = element.querySelectorAll("input");
const output = element.querySelector("output");
const reset = element.querySelector("button");
const PAUSE = 120; // milliseconds between two changes told while a thumb is dragged
const STOPS = 6; // on either side of the middle; one more on the left is 0
let told = 0;
let waiting = 0;

const strength = {
  value: () => (Number(first.value) < -STOPS ? 0 : Number((2 ** (Number(first.value) / 2)).toFixed(2))),
  show(value) {
    first.value = value > 0 ? Math.round(2 * Math.log2(value)) : -STOPS - 1;
    const words = value === 1 ? "1, as trained" : value > 0 ? `${value}` : "0, without it";
    first.setAttribute("aria-valuetext", words);
    output.textContent = words;
    reset.hidden = value === 1;
  },
  usual: 1,
};
const layers = {
  value() {
    const [from, to] = [Number(first.value), Number(last.value)].sort((a, b) => a - b);
    return from === 1 && to === props.most ? "" : `${from}-${to}`;
  },
  show(value) {
    first.max = last.max = props.most;
    const [from, to] = value ? value.split("-").map(Number) : [1, props.most];
    const crossed = Number(first.value) > Number(last.value);
    [first.value, last.value] = crossed ? [to, from] : [from, to];
    output.textContent = value ? (from === to ? `only ${from}` : `${from} to ${to}`) : `all ${props.most}`;
    const place = (layer) => (props.most > 1 ? (100 * (layer - 1)) / (props.most - 1) : 0);
    element.style.setProperty("--from", `${place(from)}%`);
    element.style.setProperty("--to", `${place(to)}%`);
    reset.hidden = !value;
  },
  usual: "",
};
const dial = last ? layers : strength;

function tell() {
  waiting = 0;
  told = Date.now();
  trigger("input");
}

function set(value) {
  dial.show(value);
  if (value === props.value) return;
  props.value = value;
  if (!waiting) waiting = setTimeout(tell, Math.max(0, told + PAUSE - Date.now()));
}

element.addEventListener("input", (event) => {
  event.stopPropagation();
  set(dial.value());
});
reset.addEventListener("click", () => {
  if (last) [first.value, last.value] = [1, props.most]; // uncrossed
  set(dial.usual);
  first.focus();
});
watch(["value", "most"], () => dial.show(props.value));
dial.show(props.value);
