"""What is measured: everything shipped, the paper's findings, speed, the space of tokens."""
