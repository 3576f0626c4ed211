"""Starts the web app: `python app.py`, then open the address it prints."""

from prefix_core.ui.app import main

if __name__ == "__main__":
    main()
