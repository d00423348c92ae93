"""What is done to a page where it is worked on: its stages and their tools, and a limit to the time they take."""
