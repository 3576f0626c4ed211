"""Many inputs on the tab "Compare": a file of rows, each written by every ticked method, in one table."""
