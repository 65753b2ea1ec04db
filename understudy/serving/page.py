"""The playground: one page without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

HTML = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
_SCRIPT = re.search(r"<script>(.*?)</script>", HTML, re.DOTALL)
_HASH = base64.b64encode(hashlib.sha256((_SCRIPT[1] if _SCRIPT else "").encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'sha256-{_HASH}'; style-src 'unsafe-inline'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Only the page's own script runs, and it can reach only this server."""
