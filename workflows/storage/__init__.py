"""Where documents come from and outputs go: folders, stores behind URLs, and what is remembered of both."""
