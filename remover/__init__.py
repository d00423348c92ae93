"""What is behind the text."""
