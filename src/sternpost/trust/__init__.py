"""Trust: how far a model may go in a use case, on which evidence, by whose word.

    terms        what must be shown, registered before the data exist
    evidence     what is known as of a moment: facts from a journal
    betting      the comparison with the incumbent, valid however often one looks
    gates        (rung, evidence, terms) -> (rung, reason), a pure function
    certificate  which scores a model may decide, until when; the type of a binding decision
    rungs        OFF, SHADOW, ADVISE, DECIDE, HALT and what a caller gets on each; the standing of a use case
    desk         a row in, an answer out, on the rung that stands at that moment
    registry     bundles and rung files, on any file system that pyarrow knows
    ledger       the record of every change, hash-chained (chain: what makes it one)
    ladder       what people and evidence change, one record each

Owed to callers: trust goes up by evidence and by name only, down by itself, and nothing goes either way unrecorded.
"""
