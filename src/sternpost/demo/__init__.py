"""The flights example: an ordinary user project, and its story told from raw files to scored ones.

    flights/    the project itself, as `sternpost init --example flights` hands it out
    workplace   the folder that a demo works in, and what it may overwrite there
    months      how good the scores were, month by month
    routes      one row, every way to score it, the same bits
    telling     the story on a terminal
    story       the steps, in order: copy, train, write, score, measure, compare

The demo calls the functions that the commands call; what it shows, a user gets.
"""

from sternpost.demo.story import run_demo
from sternpost.demo.workplace import EXAMPLES, example_folder

__all__ = ["EXAMPLES", "example_folder", "run_demo"]
