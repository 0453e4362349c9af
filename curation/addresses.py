"""Finds addresses: of mailboxes, and of machines on the internet."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_L = "A-Za-z0-9_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u04ff"
_LOCAL = rf"(?<![{_L}.+@-])(?<![{_L}]')(?<!://)[{_L}](?:[{_L}.-]|'(?=[{_L}]))*(?:\+[{_L}.=+-]*)?"
_EMAIL = re.compile(
    rf"(?P<local>{_LOCAL})(?:@|%40)(?:[{_L}-]+\.)+"
    rf"(?P<top>[A-Za-z\u0400-\u04ff]{{2,24}}|xn--[a-z0-9-]+)(?![{_L}@]|-[{_L}])"
    rf"|{_LOCAL} ?(?:[\[(]at[\])]|[\[(]AT[\])]) ?[{_L}-]+(?:(?:\.| ?[\[(](?:dot|DOT)[\])] ?)[{_L}-]+)+"
    rf"|{_LOCAL} AT [{_L}-]+(?: DOT [{_L}-]+)+"
)
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif", "mp3", "mp4", "wav", "pdf"})


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Places of e-mail addresses; `git@host:path` and names of files such as `logo@2x.png` are none."""
    for m in _EMAIL.finditer(text):
        remote = m["local"] == "git" and text[m.end() : m.end() + 1] in {":", "/"}
        if not remote and (m["top"] or "").lower() not in _FILES:
            yield m.span()


_IP = re.compile(
    r"(?<![\w.\-])(?<![A-Za-z0-9]/)(?:\d{1,3}\.){3}\d{1,3}(?![\w\-]|\.\d+\.)(?P<net>/\d{1,2}\b)?"
    r"|(?<![\w:.])(?:[23][0-9A-Fa-f]{3}|[fF][cCdDeE][0-9A-Fa-f]{2}|64(?=:ff9b:)|(?=::[fF]{4}:))"
    r"(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?(?![\w:])"
)
_VERSION = re.compile(
    r"(?i)(?:version|release|firmware|build|sections?|chapter|clause|oid|rev|v8?|upgrade|updated?)"
    r"(?: from| to)?\W{0,3}$"
)


def find_ips(text: str) -> Iterator[tuple[int, int]]:
    """Places of IPv4 and IPv6 addresses; loopback addresses, masks, networks and versions are none."""
    for m in _IP.finditer(text):
        host = m.group().removesuffix(m["net"] or "")
        network = m["net"] and _network(m.group())
        if address(host) and not network and not _VERSION.search(text[: m.start()][-24:]):
            yield m.start(), m.start() + len(host)


def address(text: str) -> bool:
    """Whether `text` is an IP address that can be somebody's."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return False
    own = ip.is_loopback or ip.is_unspecified or ip.is_multicast
    return not (own or text.startswith(("0.", "255.")) or re.fullmatch(r"\d\.\d\.\d\.\d", text))


def _network(text: str) -> bool:
    try:
        return ipaddress.ip_network(text).prefixlen < 32
    except ValueError:
        return False
