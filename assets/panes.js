// The buttons in the panes. Runs as the `js_on_load` of the gr.HTML around them: `element`, `trigger`, `watch` are given.
// The panes are drawn anew at every change, so the listener is on what surrounds them, and the focus is put back.
let pressed = null;

function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // a page without https has no clipboard of its own
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return Promise.resolve();
}

element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  const pane = button.closest(".pane");
  if (button.dataset.do === "copy") {
    await copy(pane.querySelector(".output").dataset.text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } else if (button.dataset.do === "acts") {
    trigger("expand", { method: pane.dataset.method });
    window.go("Look inside", "#acting", (found) => found.offsetParent, (found) => found.scrollIntoView({ block: "center" }));
  } else {
    pressed = pane.dataset.method;
    const chosen = button.getAttribute("aria-pressed") === "true";
    trigger("select", { against: chosen ? "" : pane.dataset.method });
  }
});

watch("value", () => {
  if (pressed) element.querySelector(`.pane[data-method="${pressed}"] [data-do="against"]`)?.focus();
  pressed = null;
});

document.querySelector("#status")?.setAttribute("aria-live", "polite");
