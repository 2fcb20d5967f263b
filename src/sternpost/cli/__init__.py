"""The command line: one file per verb, `app` puts them together and says how a command ends.

Owed to callers of the command: exit codes are those of `sternpost.errors` (0 done, 130 interrupted, 143 terminated,
141 when nobody reads the output any more); an error is one line on stderr that names value, place and next step, and
never a traceback (STERNPOST_TRACEBACK=1 shows it); with --json, stdout holds exactly one JSON object, whether the verb
succeeded or not; progress is drawn only where a terminal looks on, and on stderr.
"""

from sternpost.cli.app import main

__all__ = ["main"]
