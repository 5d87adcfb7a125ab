"""What there is, in words and as data (`entries`), and the works that it comes from (`citations`)."""
