"""One file a verb: reads the command line, prints, exits."""
