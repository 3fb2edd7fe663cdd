"""Pages of the codes of `probe` and `compare`: what keeps them from asking. What a check finds has a name, no code."""

from __future__ import annotations

PAGES: dict[str, str] = {
    "GLM900": """Not the URL of a server

`http://` or `https://`, a host, and where needed a port and the path before `/v1`. A user, a password or a query is
refused, since it would end up in logs: the key comes from a variable or a file. Exit code 2.""",
    "GLM901": """No key where one was named

`--key-env` names a variable and `--key-file` a file that holds the key and nothing else: one line of visible ASCII
characters. No option takes the key itself, which every user of the machine could read in the process list; what was
given is not repeated, for the case that it was the key. Exit code 2.""",
    "GLM902": """The key travels unencrypted

The URL begins with `http://` and its host is another machine: whoever is on the way can read the key and all text.
Use https, or a tunnel to `127.0.0.1`.""",
    "GLM903": """The server cannot be asked

The name does not resolve, nothing listens at the port, TLS fails, or no connection came in time; the message gives the
reason. SGLang, vLLM and Transformers bind their port at the earliest when weights are loaded. Proxies of the environment
are not used: probe asks the server itself, so that the key goes nowhere else.""",
    "GLM910": """A task that cannot be used

Ids stand once, `regex` is a regular expression as Python has it, `json_schema` a JSON Schema (2020-12), and a file has
from 1 to 1,000 tasks. `glmdeploy schema tasks` describes the form.""",
    "GLM911": """jsonschema is needed and not there

An expectation with `json_schema` is judged by that package: `pip install 'glmdeploy[compare]'`.""",
    "GLM912": """Tasks were not answered

A comparison of nothing must not be green: with a task that one of the servers did not answer, the exit code is 1. The
report says of each why.""",
}
