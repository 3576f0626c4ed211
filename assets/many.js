// The table of many inputs: sorted, filtered and searched here, opened row by row. Runs as the `js_on_load` of a gr.HTML:
// `element`, `props`, `trigger` and `watch` are given. Texts are only ever set through `textContent`.
const tools = element.querySelector(".many-tools");
const frame = element.querySelector(".many-table");
const head = frame.querySelector("thead tr");
const body = frame.querySelector("tbody");
const [show, of, find, count] = ["show", "of", "find", "count"].map((name) => tools.querySelector(`[data-${name}]`));
let sorted = { by: "number", down: false };
let drawn = []; // of each row as it stands: its element and what is in it
let opened = -1;

const make = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
const over = (cell) => cell.state === "finished" || cell.state === "stopped";

function rank(row) {
  if (sorted.by === "number") return row.number;
  if (sorted.by === "label") return row.label.toLowerCase();
  if (sorted.by === "apart") return row.apart ?? -1;
  const cell = row.cells[Number(sorted.by)];
  if (!over(cell)) return -1;
  return props.value.values ? cell.said / (cell.values || 1) - 0.001 * (cell.invented ? 1 : 0) : cell.text.length;
}

function wanted(row) {
  const cells = of.value === "any" ? row.cells : [row.cells[Number(of.value)]];
  const text = find.value.trim().toLowerCase();
  if (text && ![row.input, row.label, ...row.cells.map((cell) => cell.text)].some((some) => some.toLowerCase().includes(text))) return false;
  if (show.value === "missing") return cells.some((cell) => over(cell) && cell.missing);
  if (show.value === "invented") return cells.some((cell) => over(cell) && cell.invented);
  if (show.value === "right") return cells.every((cell) => over(cell) && !cell.missing && !cell.invented);
  if (show.value === "apart") return (row.apart ?? 0) >= 50;
  return true;
}

function column(by, title, small = "") {
  const cell = make("th");
  const button = make("button", "", title);
  button.type = "button";
  button.addEventListener("click", () => {
    sorted = { by, down: sorted.by === by && !sorted.down };
    drawHead();
    arrange();
  });
  cell.scope = "col";
  if (sorted.by === by) cell.ariaSort = sorted.down ? "descending" : "ascending";
  cell.append(button);
  if (small) cell.append(make("small", "", small));
  return cell;
}

function summary(index) {
  const cells = props.value.rows.map((row) => row.cells[index]).filter(over);
  if (!props.value.values || !cells.length) return "";
  const sum = (of) => cells.reduce((total, cell) => total + of(cell), 0);
  const said = Math.round((100 * sum((cell) => cell.said)) / (sum((cell) => cell.values) || 1));
  const invented = cells.filter((cell) => cell.invented).length;
  return `${said}% said, ${invented} with something invented`;
}

function drawHead() {
  const { methods } = props.value;
  const columns = [column("number", "Row"), column("label", "Input")];
  methods.forEach((method, index) => columns.push(column(String(index), method.title, summary(index))));
  if (methods.length > 1) columns.push(column("apart", "Disagreement"));
  const focused = [...head.children].findIndex((cell) => cell.contains(document.activeElement));
  head.replaceChildren(...columns);
  if (focused >= 0) head.children[focused]?.querySelector("button").focus();
}

function textCell(cell) {
  const place = make("td", cell.state === "failed" ? "failed" : "");
  place.append(make("p", "", over(cell) && !cell.text ? "(it wrote nothing)" : cell.text));
  if (over(cell) && cell.values) {
    const line = make("small", "", `${cell.said} of ${cell.values} said`);
    if (cell.missing) line.append(" · ", make("b", "missing", "missing"), ` ${cell.missing}`);
    if (cell.invented) line.append(" · ", make("b", "invented", "invented"), ` ${cell.invented}`);
    place.append(line);
  }
  return place;
}

function drawRow(place, row) {
  const now = JSON.stringify(row);
  const known = drawn[place];
  if (known?.now === now) return;
  const line = known?.line ?? make("tr");
  const number = make("th");
  number.scope = "row";
  const open = make("button", "", String(row.number));
  open.type = "button";
  open.ariaLabel = `Open row ${row.number}`;
  number.append(open);
  const input = make("td", "input");
  input.append(make("b", "", row.label), make("p", "", row.input));
  const cells = row.cells.map(textCell);
  if (row.cells.length > 1) cells.push(make("td", "apart", row.apart === null ? "" : `${row.apart}%`));
  const focused = line.contains(document.activeElement);
  line.replaceChildren(number, input, ...cells);
  line.dataset.place = place;
  if (focused) open.focus();
  drawn[place] = { line, now };
}

function arrange() {
  const rows = props.value.rows;
  const order = rows.map((row, place) => place).filter((place) => wanted(rows[place]));
  const sign = sorted.down ? -1 : 1;
  order.sort((one, other) => {
    const [a, b] = [rank(rows[one]), rank(rows[other])];
    return a < b ? -sign : a > b ? sign : one - other;
  });
  const lines = order.map((place) => drawn[place].line);
  if (lines.length !== body.children.length || lines.some((line, at) => body.children[at] !== line)) body.replaceChildren(...lines);
  count.textContent = order.length === rows.length ? `${rows.length} rows` : `${order.length} of ${rows.length} rows`;
}

function offer() {
  const { methods, values } = props.value;
  const chosen = of.value;
  of.replaceChildren(...[["any", "any method"], ...methods.map((method, index) => [String(index), method.title])].map(([value, text]) => new Option(text, value)));
  of.value = [...of.options].some((option) => option.value === chosen) ? chosen : "any";
  for (const option of show.options) {
    option.hidden = (["missing", "invented", "right"].includes(option.value) && !values) || (option.value === "apart" && methods.length < 2);
  }
  if (show.selectedOptions[0]?.hidden) show.value = "all";
}

let titles = "";
function draw() {
  const empty = !props.value?.rows?.length;
  tools.hidden = frame.hidden = empty;
  if (empty) {
    body.replaceChildren();
    drawn = [];
    return;
  }
  const now = JSON.stringify([props.value.methods, props.value.rows.map((row) => [row.number, row.input])]);
  if (now !== titles) {
    titles = now;
    drawn = [];
    opened = -1;
    sorted = { by: "number", down: false };
    find.value = "";
    show.value = "all";
    offer();
    const begun = !props.value.rows.some((row) => row.cells.some(over));
    if (begun) element.closest("#output")?.scrollIntoView({ block: "start" }); // not when the page was loaded again
  }
  drawHead();
  props.value.rows.forEach((row, place) => drawRow(place, row));
  arrange();
}

function open(line) {
  opened = Number(line.dataset.place);
  drawn.forEach((row, place) => row.line.toggleAttribute("aria-current", place === opened));
  trigger("select", { row: opened });
  document.querySelector("#outcome")?.scrollIntoView({ block: "center" });
}

body.addEventListener("click", (event) => {
  const line = event.target.closest("tr");
  if (line && !String(getSelection())) open(line); // a text being marked is not a click
});
for (const part of [show, of, find]) part.addEventListener("input", arrange);
watch("value", draw);
draw();
