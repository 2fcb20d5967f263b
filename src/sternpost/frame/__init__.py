"""What a model is trained on, and whether it may be.

audit/   the leak audit: what was not there at the decision, and what both sides of a split share
"""
