"""Examples from files and published data sets."""
