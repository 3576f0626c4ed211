"""The tab "Evidence": what has been measured on the page's base, as plots, with the numbers behind them."""
