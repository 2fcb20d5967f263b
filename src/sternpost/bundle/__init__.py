"""A bundle: one sealed file that holds everything needed to score, and refuses to open when one byte differs.

build        seal one from features, a fitted model and reference rows
sealed       a bundle in memory, and opening one
golden       rows with the bits they gave, replayed at every open
model_run    how to run a model so that its bits depend on the row alone
profile      what the reference looked like
reference    what inputs, features and outputs looked like, in cells that windows are counted in
policy       from score to action
archive, stored_zip, canonical, atomic, signature, provenance, data_digest   the file itself
"""

from sternpost.bundle.sealed import Bundle, open_bundle
from sternpost.bundle.sealing import build

__all__ = ["Bundle", "build", "open_bundle"]
