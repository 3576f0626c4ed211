"""How the app looks beyond assets/style.css: the theme and the plots. Nothing is fetched from elsewhere."""

from typing import Any

import gradio as gr
import plotly.graph_objects as go
from gradio.themes.utils import colors, sizes

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


# Colours differ in brightness, and symbols in shape: hue is never the only difference.
COLOURS = ("#0d9488", "#d97706", "#7c6fdc", "#db4f86", "#3b82c4", "#6b8e23")
SYMBOLS = ("diamond", "square", "circle", "x", "cross")  # those that 3-D plots have, too
GREY = "#8593a1"  # for what style.css cannot reach: the axes of 3-D plots


def theme() -> gr.themes.Base:
    """Teal on slate, light and dark."""
    return gr.themes.Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md,
        text_size=sizes.text_md,
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#0d1218",
        block_background_fill="white",
        block_background_fill_dark="#141b23",
        block_border_color="#e3e8ee",
        block_border_color_dark="#232d38",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="#51606f",
        block_label_text_color_dark="#9aa9b8",
        block_title_text_color="#51606f",
        block_title_text_color_dark="#9aa9b8",
        block_shadow="none",
        body_text_color_subdued="#5b6875",  # Gradio's own is too faint to read on white
        body_text_color_subdued_dark="#94a3b8",
        block_info_text_color="#5b6875",
        block_info_text_color_dark="#94a3b8",
        input_background_fill="white",
        input_background_fill_dark="#10161d",
        input_border_width="1px",
        input_border_color="#d5dce4",
        input_border_color_dark="#2b3743",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="#1a232d",
        button_secondary_background_fill_hover="#eef2f5",
        button_secondary_background_fill_hover_dark="#232e3a",
        button_secondary_border_color="#d5dce4",
        button_secondary_border_color_dark="#2b3743",
        checkbox_label_background_fill="white",
        checkbox_label_background_fill_dark="#1a232d",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="#12312f",
        checkbox_label_border_color="#d5dce4",
        checkbox_label_border_color_dark="#2b3743",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_500",
        checkbox_border_color_selected="*primary_700",
        checkbox_border_color_selected_dark="*primary_500",
        slider_color="*primary_700",
        slider_color_dark="*primary_500",
    )


def figure(*traces: Any, **layout: Any) -> go.Figure:
    """A figure in the app's look. Dragging in it scrolls the page, unless `layout` says otherwise."""
    axis = {"gridcolor": "rgba(133,147,161,0.25)", "zerolinecolor": "rgba(133,147,161,0.45)", "linecolor": GREY}
    drawn = go.Figure(
        traces,
        {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": COLOURS,
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": GREY},
            "margin": {"l": 48, "r": 12, "t": 12, "b": 44},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "hoverlabel": {"font": {"family": "system-ui, sans-serif", "size": 12}},
            "dragmode": False,
            "modebar": {
                "remove": ["select2d", "lasso2d", "autoScale2d"],
                "orientation": "v",
                "bgcolor": "rgba(0,0,0,0)",  # Plotly's own is grey, and so are its buttons
                "color": GREY,
                "activecolor": COLOURS[0],
            },
            "template": None,
        },
    )
    drawn.update_xaxes(**axis)
    drawn.update_yaxes(**axis)
    return drawn.update_layout(**layout)
