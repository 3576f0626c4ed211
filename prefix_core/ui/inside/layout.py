"""The components of the tab "Look inside" and where they stand: a story in four parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from prefix_core.places import ASSETS
from prefix_core.ui.common import status_html

ACTING = """
<div class="words"><h2>1 · Where it acts</h2><p>A prefix is a few learned keys and values that every token of the text
can attend to. Here is its effect, token by token: the darker a token, the more the prefix changed what could come
there. Click a token, or use the arrow keys, to see how the frozen model would have gone on.</p></div>
"""

ACTS = """
<div class="acts" hidden>
  <div class="acts-text" role="group" aria-label="The text, token by token"></div>
  <p class="acts-scale"><span>unchanged</span><i></i><span data-most></span></p>
  <div class="acts-parts">
    <section class="acts-next"><h3>What comes next <small data-where></small></h3>
      <div class="pair"><div><h4>with the prefix</h4><ol data-with></ol></div>
      <div><h4>without it</h4><ol data-without></ol></div></div>
      <p data-kl></p><h3>Vectors that gained most attention here</h3><ol data-vectors></ol></section>
    <section class="acts-map"><h3>Attention the prefix gained</h3>
      <div class="switch" role="group" aria-label="Which part of the prefix"><button type="button" data-part="share"
        aria-pressed="true">all but the first position</button><button type="button" data-part="sink"
        aria-pressed="false">first position (the sink)</button></div>
      <div class="maps"><div class="axis"><span>layer 1</span><span data-last></span></div>
        <figure><svg data-map role="img" aria-label="Attention gained: tokens by layers"></svg>
          <figcaption>the text, token by token</figcaption></figure>
        <figure class="heads"><svg data-heads role="img" aria-label="Attention gained by each head"></svg>
          <figcaption data-heads-of></figcaption></figure></div>
      <p class="acts-scale both"><span data-less></span><i></i><span data-more></span></p>
      <p data-reading aria-live="polite"></p>
      <p class="note">Whatever stands at the start of a text draws much attention, and most of that goes to the very
        first position: an attention sink. So this shows the trained prefix's share of the attention minus the share
        that its untrained start drew at the same positions, with the first position on its own.</p></section>
  </div>
</div>
"""

AMONG = """
<div class="words"><h2>2 · Which words its vectors are near</h2><p>In every layer, each token of a text offers a
<b>key</b>, by which later tokens find it, and a <b>value</b>, which they take from it. A prefix adds more of these,
learned instead of computed. Here each of its vectors is compared with those of 2,000 frequent tokens, averaged over a
sample text of our own. A vector far from every token says something that no single word says.</p></div>
"""

PICTURE = """
<div class="words"><h2>3 · Among all the tokens</h2><p>Out of hundreds of dimensions, the picture keeps the two or three
in which the chosen points vary most (PCA), so two points may look close and still be far apart. Keys are compared as
they are before their positions rotate them. A thin line shows where each vector started. Click a dot to see its
neighbours.</p>
</div>
"""

FINDER = """
<div class="finder">
  <label>Find tokens <input type="search" data-find placeholder="pub, restaurant" autocomplete="off" spellcheck="false">
  </label><output data-count aria-live="polite"></output>
  <p data-neighbours aria-live="polite" hidden></p>
  <div class="movement" data-movement hidden>
    <h2>4 · How it moved while it learned</h2><p data-kept></p>
    <button type="button">Play</button>
    <input type="range" min="0" max="1" step="any" aria-label="Step of the training"><output></output>
  </div>
</div>
"""

# Saves a text as a file; nothing of it stays on the server.
SAVE = """(text) => {
  if (!text) return [];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "coordinates.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return [];
}"""


@dataclass(frozen=True)
class InsideTab:
    """The components that events touch. choices: what a picture is made of; three: 2-D or 3-D."""

    explain: gr.Button
    acting: gr.HTML
    acts: gr.HTML
    prefixes: gr.CheckboxGroup
    layer: gr.Slider
    part: gr.Radio
    fit: gr.Radio
    bare: gr.Checkbox
    three: gr.Radio
    save: gr.Button
    status: gr.HTML
    near: gr.HTML
    space: gr.Plot

    @property
    def choices(self) -> list[Any]:
        return [self.prefixes, self.layer, self.part, self.fit, self.bare]

    @property
    def explained(self) -> list[Any]:
        """What "Where it acts" is shown in."""
        return [self.acting, self.acts]

    @property
    def picture(self) -> list[Any]:
        """What a view is shown in."""
        return [self.status, self.space, self.near]


def lay_out() -> InsideTab:
    with gr.Column(elem_id="inside"):
        gr.HTML(ACTING, apply_default_css=False)
        with gr.Row(elem_id="acting"):
            acting = gr.HTML(status_html("idle", "Opening …"))
            explain = gr.Button("Show it for the text in Compare", size="sm", scale=0, min_width=240, elem_id="explain")
        acts = gr.HTML(
            None,
            html_template=ACTS,
            js_on_load=(ASSETS / "acts.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            elem_id="acts",
        )
        gr.HTML(AMONG, apply_default_css=False)
        with gr.Row(elem_id="inside-choices"):
            prefixes = gr.CheckboxGroup([], label="Prefixes", elem_id="inside-prefixes", min_width=300, scale=2)
            layer = gr.Slider(1, 2, 1, step=1, label="Layer", elem_id="inside-layer", min_width=220, scale=2)
            part = gr.Radio([("Keys", "keys"), ("Values", "values")], value="keys", label="Compare", min_width=150)
        bare = gr.Checkbox(label="Bare embeddings: tokens out of context, as layer 1 reads them", visible=False)
        status = gr.HTML(status_html("idle", "Opening …"), elem_id="inside-status")
        near = gr.HTML("", apply_default_css=False)
        gr.HTML(PICTURE, apply_default_css=False)
        with gr.Row(elem_id="inside-picture"):
            fit = gr.Radio(
                [("Tokens", "tokens"), ("Prefixes", "prefixes"), ("Both", "both")],
                value="tokens",
                label="Directions in which these vary most",
                min_width=220,
            )
            three = gr.Radio([("2-D", False), ("3-D", True)], value=False, label="Picture", min_width=150)
            save = gr.Button(
                "Download coordinates (CSV)", size="sm", scale=0, min_width=230, elem_id="save-coordinates"
            )
        space = gr.Plot(show_label=False, container=False, elem_id="space")
        script = (ASSETS / "space.js").read_text(encoding="utf-8")
        gr.HTML(FINDER, js_on_load=script, apply_default_css=False)
    return InsideTab(explain, acting, acts, prefixes, layer, part, fit, bare, three, save, status, near, space)
