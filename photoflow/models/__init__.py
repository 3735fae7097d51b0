"""Networks, one a file and named as in its paper, and the registry of their weights."""
