"""Putting a bundle to work.

formats      what is in a file, told by its bytes; reading one file in batches
pipe         Arrow streams that can be read only once
sources      which files a user's words mean: files, folders, globs
read_ahead   a few batches in advance, in one background thread
files        all input files as one stream of batches with one schema
outputs      an output that appears whole or not at all
batch        files of rows in, files of scores out
server       bundles behind gRPC, in this process
shelf        which files a server's bundles are, and which of them changed
supervise    a server from its first signal to its last
slow_lane    what a server does beside serving
client       ask a server, and answer without it
"""

from sternpost.serve.client import Client

__all__ = ["Client"]
