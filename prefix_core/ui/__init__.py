"""The web app: a folder for each tab, and beside them what the tabs share. The only place that knows Gradio."""
