"""The commands of the program: from words of the command line, or of a TOML file, to what is to be done."""
