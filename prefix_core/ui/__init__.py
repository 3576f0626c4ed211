"""The web app: one tab a file. The only place that knows Gradio."""
