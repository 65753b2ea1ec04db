"""DSSE, the envelope around a signed statement (https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from understudy.errors import Untrusted
from understudy.supplychain.keys import key_id, named

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def pre_authentication(payload_type: str, body: bytes) -> bytes:
    """What is signed: type and body with their lengths, so that neither can pass for the other.

    >>> pre_authentication("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    return b"DSSEv1 %d %s %d %s" % (len(payload_type.encode()), payload_type.encode(), len(body), body)


def seal(statement: dict[str, Any], key: Ed25519PrivateKey) -> str:
    """The envelope as JSON; the same statement and key give the same text."""
    body = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = key.sign(pre_authentication(PAYLOAD_TYPE, body))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(body).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1) + "\n"


def unseal(text: str, trusted: Sequence[Ed25519PublicKey], where: str) -> tuple[dict[str, Any], str]:
    """The statement in an envelope that a trusted key has signed, and that key's id.

    Raises Untrusted, with `where` first: another key signed it, the statement was changed, or it is no envelope.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        envelope = json.loads(text)
        body = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"]
        signatures = {str(s["keyid"]): base64.b64decode(s["sig"], validate=True) for s in envelope["signatures"]}
        statement = json.loads(body)
        if kind != PAYLOAD_TYPE or not isinstance(statement, dict):
            raise ValueError(kind)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise Untrusted(f"{where}: its attestation is damaged; fetch it anew or sign it again") from None
    keys = named(trusted)
    ours = [k for k in signatures if k in keys]
    if not ours:
        theirs, known = ", ".join(k[:16] for k in signatures) or "no key", ", ".join(k[:16] for k in keys)
        raise Untrusted(f"{where}: is signed with another key ({theirs}) than the trusted one ({known})")
    try:
        keys[ours[0]].verify(signatures[ours[0]], pre_authentication(kind, body))
    except InvalidSignature:
        raise Untrusted(
            f"{where}: tampered with: its attestation was changed since it was signed; fetch it anew"
        ) from None
    return statement, ours[0]
