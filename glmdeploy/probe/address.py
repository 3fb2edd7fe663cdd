"""Where a server is, and the key to it: neither is ever taken from what could be seen, and no key is ever said."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span

_MAX_KEY = 8192  # bytes; a header line of a server is at most that long
_VISIBLE = re.compile(r"[!-~]+\Z")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """A server's scheme, host, port, and the path before `/v1`; never user, password or query."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine by its own name: no look-up is believed."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse(text: str) -> Address:
    """The address of a base URL, with or without `/v1`; ProfileError with GLM900, which repeats nothing of it."""
    if not _VISIBLE.match(text):
        raise _no_address("it is empty, or has spaces or characters that are not ASCII")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _no_address("its host or port is none") from None
    if parts.scheme not in _PORTS:
        raise _no_address("it does not begin with `http://` or `https://`")
    if "@" in parts.netloc:
        raise _no_address("it holds a user or a password", "`--key-env NAME` or `--key-file FILE` gives the key")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise _no_address("it has a query or a fragment", "`--key-env NAME` or `--key-file FILE` gives the key")
    if not parts.hostname or port == 0:
        raise _no_address("it names no host, or port 0")
    prefix = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return Address(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], prefix)


def _no_address(reason: str, hint: str = "such as `http://127.0.0.1:8000`") -> ProfileError:
    return ProfileError(
        [Diagnostic("GLM900", f"the URL is no server's address: {reason}", hint=hint, span=Span("URL"))]
    )


def key(variable: str | None, file: str | None, which: str = "") -> str:
    """The key of an environment variable or a file, or an empty string; ProfileError with GLM901.

    ``which`` is the end of the option's name. What the option was given is not repeated: it may be the key itself.
    """
    if variable is not None:
        found = os.environ.get(variable, "") if variable else ""
        return _checked(found, f"--key-env{which}", "variable is not set, or empty")
    option = f"--key-file{which}"
    return _checked(_read(file, option), option, "file is empty") if file is not None else ""


def _read(file: str, option: str) -> str:
    try:
        with Path(file).open("rb") as stream:
            raw = stream.read(_MAX_KEY + 1)
        return raw.decode()
    except UnicodeDecodeError:
        return "\n\n"  # refused as text that is no key
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file's name"
        raise _no_key(option, f"the file cannot be read: {reason}") from None


def _checked(text: str, option: str, empty: str) -> str:
    found = text.removesuffix("\n").removesuffix("\r")
    if not found:
        raise _no_key(option, f"the {empty}")
    if len(found) > _MAX_KEY or not _VISIBLE.match(found):
        raise _no_key(option, "it is no key: one line of visible ASCII characters without spaces")
    return found


def _no_key(option: str, reason: str) -> ProfileError:
    return ProfileError([Diagnostic("GLM901", f"no key from `{option}`: {reason}", span=Span(option))])


def in_the_clear(address: Address, key: str) -> tuple[Diagnostic, ...]:
    """GLM902 where a key would travel unencrypted over a network."""
    if not key or address.scheme == "https" or address.loopback:
        return ()
    message = f"the key travels unencrypted to `{address.host}`"
    hint = "use https, or `kubectl port-forward` or an SSH tunnel and `http://127.0.0.1`"
    return (Diagnostic("GLM902", message, Level.WARNING, span=Span(str(address)), hint=hint),)
