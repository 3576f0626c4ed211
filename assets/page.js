// For the whole page. Runs as the `js_on_load` of the gr.HTML with the three steps: `element` is given.

// Gradio tells the console of streams that it closes itself, after an upload and as the page goes, as if they had failed.
let leaving = false; // known only after Gradio has closed them, so what is told waits a moment
addEventListener("beforeunload", () => (leaving = true));
for (const kind of ["warn", "error"]) {
  const tell = console[kind].bind(console);
  console[kind] = (...words) => setTimeout(() => {
    if (!leaving && words[0] !== "Method not implemented.") tell(...words);
  });
}

// Opens a tab, which on a phone may lie in the menu of those that found no room.
function show(name) {
  const tabs = document.querySelectorAll("#tabs > .tab-wrapper :is([role=tablist], .overflow-dropdown) button");
  [...tabs].find((tab) => tab.textContent.trim() === name)?.click();
}

// Opens a tab and presses what is meant there, of all that `selector` finds, as soon as it is offered.
window.go = (name, selector, meant, press = (found) => found.click()) => {
  show(name);
  const until = Date.now() + 60000;
  const timer = setInterval(() => {
    const found = [...document.querySelectorAll(selector)].find(meant);
    if (found) press(found);
    if (found || Date.now() > until) clearInterval(timer);
  }, 100);
};

// What a tab of the browser keeps, so that a reload loses nothing that was typed, chosen or opened.
const [COMPARE, TAB] = ["prefix-compare", "prefix-tab"];
function recall(name) {
  try {
    return sessionStorage.getItem(name + location.pathname) || "";
  } catch {
    return "";
  }
}
function keep(name, text) {
  try {
    sessionStorage.setItem(name + location.pathname, text);
  } catch {}
}
let recalled = false; // before that, nothing is kept: it would be what the page holds at first
let edited = "text"; // of the input, what was edited last

// The kept form of "Compare", unless the address has become another since, which then says what to show.
window.recallForm = () => {
  recalled = true;
  const text = recall(COMPARE);
  if (!text || JSON.parse(text).query !== location.search) return "";
  edited = JSON.parse(text).drafts[JSON.parse(text).key]?.edited || "text";
  return text;
};
window.keepForm = (part, key, grid, text, methods, ...settings) => {
  if (!recalled) return [];
  edited = part || edited;
  const before = JSON.parse(recall(COMPARE) || "{}");
  const drafts = { ...before.drafts, [key]: { edited, grid, text } };
  keep(COMPARE, JSON.stringify({ query: location.search, key, drafts, methods, settings }));
  return [];
};
window.forgetForm = () => {
  for (const name of [COMPARE, TAB]) keep(name, "");
  return [];
};
window.openTab = (running) => {
  const name = running || recall(TAB);
  if (name) show(name);
  return [];
};
document.addEventListener("click", (event) => {
  const tab = event.target.closest("#tabs > .tab-wrapper :is([role=tablist], .overflow-dropdown) button");
  if (tab) keep(TAB, tab.textContent.trim());
});

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
  for (const image of document.querySelectorAll("footer button img")) image.alt = ""; // the button says the same in words
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
