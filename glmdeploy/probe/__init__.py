"""Ask running servers what their users will ask them, and say what works; bounded in time and memory, whatever answers.

`run` has the checks of one server, `compare` the tasks of two. Nothing is imported here: `schemas` reads the form of the
tasks, and must not pay for TLS.
"""
