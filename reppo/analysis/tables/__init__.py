"""Tables that show and write themselves, and those that commands print."""
