"""A bundle: one sealed file that holds everything needed to score, and refuses to open when one byte differs."""
