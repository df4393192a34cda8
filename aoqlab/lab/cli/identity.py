"""Who may use the lab's Jupyter server: whoever has the token that it drew."""

from __future__ import annotations

import secrets
from typing import Any

from jupyter_server.auth import PasswordIdentityProvider


class RandomToken(PasswordIdentityProvider):
    """A token drawn at every start, whatever Jupyter's configuration and environment say.

    It is no option on the command line, which other users of the machine can read.
    """

    token_generated = True
    _drawn = secrets.token_hex(24)
    token: Any = property(lambda self: self._drawn, lambda self, value: None)
