"""What an engine's options must obey together: each function says what is wrong, or nothing.

Where the engine checks the same, and when, stands beside the function's name in `engine_table`.
"""
