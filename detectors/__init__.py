"""Where the text is."""
