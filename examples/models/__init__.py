"""Models as people build them, one a file, each read from top to bottom."""
