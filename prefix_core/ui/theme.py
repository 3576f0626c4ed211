"""How the app looks beyond assets/style.css: one accent, the reader's own fonts, nothing fetched from elsewhere."""

import gradio as gr
from gradio.themes.utils import colors, sizes

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


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
        button_primary_background_fill_hover_dark="*primary_600",
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
