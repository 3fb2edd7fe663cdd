"""Change a profile's file and lose nothing: every character outside the change stays as it is.

Places come from ruamel's events, each change is a splice of the text, and the result is loaded again and must be the
document that was meant. `upgrade --write`, `set` and `lint --fix` all change files through this package.
"""
