// The editable table: one row an attribute, plain text fields, a new row where one is wanted.
// Runs as the `js_on_load` of a gr.HTML: `element`, `props`, `trigger` and `watch` are given.
// Cells are only ever set through `.value`, so nothing typed or sent is read as HTML.
const body = element.querySelector("tbody");

function field(text) {
  const input = document.createElement("input");
  input.type = "text";
  input.value = text;
  input.spellcheck = false;
  input.autocomplete = "off";
  const cell = document.createElement("td");
  cell.append(input);
  return cell;
}

function add(attribute, value) {
  const row = document.createElement("tr");
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "×";
  remove.title = "Remove this row";
  const last = document.createElement("td");
  last.append(remove);
  row.append(field(attribute), field(value), last);
  body.append(row);
  name();
  return row;
}

function name() {
  for (const [index, row] of Array.from(body.rows).entries()) {
    const labels = ["Attribute ", "Value ", "Remove row "];
    row.querySelectorAll("input, button").forEach((part, place) => part.setAttribute("aria-label", labels[place] + (index + 1)));
  }
}

function rows() {
  return Array.from(body.rows, (row) => Array.from(row.querySelectorAll("input"), (input) => input.value));
}

function show(wanted) {
  if (JSON.stringify(rows()) === JSON.stringify(wanted)) return; // it came from here: keep the cursor
  body.replaceChildren();
  for (const [attribute, value] of wanted) add(attribute, value);
}

function tell() {
  props.value = rows();
  trigger("input");
}

element.addEventListener("input", (event) => {
  event.stopPropagation();
  tell();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.do === "add") {
    add("", "").querySelector("input").focus();
  } else {
    button.closest("tr").remove();
    name();
    tell();
  }
});
element.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
  event.preventDefault(); // Enter goes one row down, as in a spreadsheet
  const row = event.target.closest("tr");
  const column = event.target.closest("td").cellIndex;
  (row.nextElementSibling || add("", "")).cells[column].querySelector("input").focus();
});

watch("value", () => show(props.value || []));
show(props.value || []);

// Gradio's Textbox tells of key presses alone; pasting, deleting and most phone keyboards press none.
document.addEventListener("input", (event) => {
  if (event.target.matches("#text textarea")) event.target.dispatchEvent(new KeyboardEvent("keypress", { bubbles: true }));
});
