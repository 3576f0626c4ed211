// For the whole page. Runs as the `js_on_load` of the gr.HTML with the three steps: `element` is given.

// Opens a tab, which on a phone may lie in the menu of those that found no room.
function show(name) {
  const tabs = document.querySelectorAll("#tabs > .tab-wrapper :is([role=tablist], .overflow-dropdown) button");
  [...tabs].find((tab) => tab.textContent.trim() === name)?.click();
}

// Opens a tab and presses what is meant there, of all that `selector` finds, as soon as it is offered.
window.go = (name, selector, meant, press = (found) => found.click()) => {
  show(name);
  const until = Date.now() + 10000;
  const timer = setInterval(() => {
    const found = [...document.querySelectorAll(selector)].find(meant);
    if (found) press(found);
    if (found || Date.now() > until) clearInterval(timer);
  }, 100);
};

element.addEventListener("click", (event) => show(event.target.closest("[data-tab]")?.dataset.tab));

// Ctrl+Enter, and Shift+Enter in the grid, run the comparison (Shift+Enter in a text is Gradio's own).
document.addEventListener("keydown", (event) => {
  const meant = event.ctrlKey || event.metaKey || (event.shiftKey && event.target.tagName === "INPUT");
  if (event.key !== "Enter" || !meant || !event.target.closest("#input")) return;
  event.preventDefault();
  event.stopPropagation(); // Enter alone goes a row down
  document.querySelector("#run").click();
}, true);

// Gradio gives every radio button a name of its own, so that arrow keys lead nowhere: one name makes a group of them.
let groups = 0;
function group() {
  for (const first of document.querySelectorAll(".wrap > label:first-child > input[type=radio]")) {
    const box = first.closest(".wrap");
    if (box.role !== "radiogroup") {
      box.role = "radiogroup";
      box.ariaLabel = box.closest("fieldset, .block")?.querySelector("[data-testid=block-info]")?.textContent.trim() || "Choose one";
      box.dataset.group = `group-${(groups += 1)}`;
    }
    for (const radio of box.querySelectorAll("input[type=radio]")) {
      if (radio.name !== box.dataset.group) radio.name = box.dataset.group;
    }
  }
}
let due = false;
new MutationObserver(() => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    group();
  });
}).observe(document.body, { childList: true, subtree: true });
group();
