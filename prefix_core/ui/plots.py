"""How every plot looks: no background of its own, colours that hold on white and on dark; text by assets/style.css."""

from typing import Any

import plotly.graph_objects as go

# Told apart by brightness and by symbol, too, not by hue alone.
COLOURS = ("#0d9488", "#d97706", "#7c6fdc", "#db4f86", "#3b82c4", "#6b8e23")
SYMBOLS = ("diamond", "square", "circle", "x", "cross")  # those that 3-D knows as well
GREY = "#8593a1"  # for what style.css cannot reach: the axes of 3-D plots


def figure(*traces: Any, **layout: Any) -> go.Figure:
    """A figure in the app's look; it scrolls with the page, since a drag changes nothing unless asked for."""
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
            "modebar": {"remove": ["select2d", "lasso2d", "autoScale2d"], "orientation": "v"},
            "template": None,
        },
    )
    drawn.update_xaxes(**axis)
    drawn.update_yaxes(**axis)
    return drawn.update_layout(**layout)
