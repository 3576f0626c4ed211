// The editable table: plain text fields under the headings in `props.columns`, a new row where one is wanted.
// Runs as the `js_on_load` of a gr.HTML: `element`, `props`, `trigger` and `watch` are given.
// Cells are only ever set through `.value`, so nothing typed or sent is read as HTML.
const head = element.querySelector("thead tr");
const body = element.querySelector("tbody");

function field(text) {
  const input = document.createElement("input");
  input.type = "text";
  input.value = input.title = text; // a value too long for its cell is read by pointing at it
  input.spellcheck = false;
  input.autocomplete = "off";
  const cell = document.createElement("td");
  cell.append(input);
  return cell;
}

function add(texts) {
  const row = document.createElement("tr");
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "×";
  remove.title = "Remove this row";
  remove.hidden = props.fixed;
  const last = document.createElement("td");
  last.append(remove);
  row.append(...headings().map((_, column) => field(texts[column] ?? "")), last);
  body.append(row);
  name();
  return row;
}

// The fields of a form: their names are not to be changed, and there are no others.
function fix() {
  element.querySelector("[data-do=add]").hidden = props.fixed;
  for (const name of body.querySelectorAll("td:first-child input")) name.readOnly = props.fixed; // none beside a text
}

function headings() {
  return Array.from(head.querySelectorAll("th"), (cell) => cell.textContent);
}

function name() {
  const labels = [...headings().map((heading) => heading[0].toUpperCase() + heading.slice(1)), "Remove row"];
  for (const [index, row] of Array.from(body.rows).entries()) {
    row.querySelectorAll("input, button").forEach((part, place) => part.setAttribute("aria-label", `${labels[place]} ${index + 1}`));
  }
}

function rows() {
  return Array.from(body.rows, (row) => Array.from(row.querySelectorAll("input"), (input) => input.value));
}

function show(columns, wanted) {
  const same = JSON.stringify([headings(), rows()]) === JSON.stringify([columns, wanted]);
  if (same) return fix(); // it came from here: keep the cursor
  const cells = columns.map((column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column;
    return cell;
  });
  head.replaceChildren(...cells, document.createElement("td"));
  body.replaceChildren();
  for (const texts of wanted) add(texts);
  fix();
}

function tell() {
  props.value = rows();
  trigger("input");
}

element.addEventListener("input", (event) => {
  event.stopPropagation();
  event.target.title = event.target.value;
  tell();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.do === "add") {
    add([]).querySelector("input").focus();
  } else {
    const row = button.closest("tr");
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    (next || element).querySelector("button").focus(); // the next × for the keyboard, or "add a row" after the last
    name();
    tell();
  }
});
element.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && props.fixed && !event.target.closest("tr").nextElementSibling) return event.preventDefault();
  if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
  event.preventDefault(); // Enter goes one row down, as in a spreadsheet
  const row = event.target.closest("tr");
  const column = event.target.closest("td").cellIndex;
  (row.nextElementSibling || add([])).cells[column].querySelector("input").focus();
});

watch(["value", "columns", "fixed"], () => show(props.columns, props.value || []));
show(props.columns, props.value || []);

// Gradio's Textbox tells of key presses alone; pasting, deleting and most phone keyboards press none.
document.addEventListener("input", (event) => {
  if (event.target.matches("#text textarea")) event.target.dispatchEvent(new KeyboardEvent("keypress", { bubbles: true }));
});
