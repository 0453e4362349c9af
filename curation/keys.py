"""Finds secrets in a text: private keys, tokens by their vendors' prefixes, passwords by what names them."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIXED = (
    r"sk-(?:proj|svcacct|admin|ant-[a-z0-9]+|or-v1|lf)-[\w-]{20,}|sk-[A-Za-z0-9]{12,}|pk-[A-Za-z0-9]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{12,}|github_pat_\w{20,}"
    r"|gl(?:pat|ptt|rt|dt|soat|cbt|ft|agent|oas)-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{20,}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|LTAI[A-Za-z0-9]{16,}|AKID[A-Za-z0-9]{28,}"
    r"|AIza[\w-]{30,}|GOCSPX-[\w-]{20,}|ya29\.[\w.-]{20,}|1//0[\w-]{20,}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{12,}|whsec_[A-Za-z0-9+/=]{16,}|sq0[a-z]{3}-[\w-]{20,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}|key-[0-9a-f]{32}|xkeysib-[\w-]{20,}|[0-9a-f]{32}-us\d{1,2}"
    r"|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{40,}|rubygems_[0-9a-f]{40,}|dckr_[a-z]+_[\w-]{16,}|oy2[a-z0-9]{43}"
    r"|hf_[A-Za-z0-9]{12,}|gsk_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}"
    r"|xai-[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|tgp_v1_[\w-]{20,}|fw_[A-Za-z0-9]{20,}|jina_\w{20,}"
    r"|do[opr]_v1_[0-9a-f]{32,}|dapi[0-9a-f]{32}|hv[sbr]\.[\w-]{20,}|tskey-[\w-]{16,}|HRKU-[\w-]{20,}"
    r"|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{20,}|EAA[A-Za-z0-9]{40,}|ATATT3[\w=-]{20,}|ATCTT3[\w=-]{20,}"
    r"|figd_[\w-]{20,}|ntn_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{40,}|lin_(?:api|oauth)_[A-Za-z0-9]{20,}"
    r"|gl(?:sa|c)_[\w+/=]{20,}|sntry[su]_[\w+/=]{20,}|NR(?:AK|II|JS)-[\w-]{20,}|PMAK-[\w-]{20,}|ddp_\w{30,}"
    r"|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}|pul-[0-9a-f]{40}"
    r"|dp\.(?:pt|st|ct|scim|audit)\.[\w.-]{30,}|sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,}|pscale_[a-z]+_[\w.-]{20,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{50,}|v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}|nf[pcoub]_[A-Za-z0-9]{30,}|fo1_[\w-]{40,}"
    r"|sgp_\w{40,}|CCIP(?:AT|RJ)_\w{20,}|bkua_[0-9a-f]{40}|pnu_[A-Za-z0-9]{30,}|y[0-3]_[\w-]{30,}|AQVN[\w-]{30,}"
    r"|shippo_(?:live|test)_[0-9a-f]{40}|duffel_(?:live|test)_[\w-]{40,}|CFPAT-[\w-]{40,}|aio_[A-Za-z0-9]{28}"
    r"|\d{8,10}:A[A-Za-z0-9_-]{32,35}"  # Telegram
    r"|[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"  # Discord
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"  # JWT
)
_PEM = (
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{0,8192}?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\\\s]*)"
)
_NAME = (
    r"api[ _-]?key|access[ _-]?key|account[ _-]?key|auth[ _-]?key|private[ _-]?key|signing[ _-]?key"
    r"|encryption[ _-]?key|master[ _-]?key|secret|token|credential|passw(?:or)?d|pass(?:phrase|code|wort)"
    r"|kennwort|pwd|mot de passe|contrase\u00f1a|senha|wachtwoord|has\u0142o|parola"
    r"|\u043f\u0430\u0440\u043e\u043b\u044c|\u5bc6\u7801|\u30d1\u30b9\u30ef\u30fc\u30c9"
)
_SHORT = re.compile(
    r"(?i)pass|pwd|\bpw|kennwort|contrase|senha|wachtwoord|has\u0142o|parol|\u043f\u0430\u0440|\u5bc6|\u30d1"
)
_SAYS = r"[\"'`]?[\])]?\s{0,3}(?:=>|:=|[=:\uff1a]|\b(?:is|ist|est|es|was)\b)\s{0,3}(?:value:\s*)?[\"'`]?"
_VALUE = r"(?P<value>[^\s\"'`,;<>(){}\[\]|&]{6,512})"
_NAMED = re.compile(rf"(?i)(?:{_NAME}|(?<![a-z])pw)[\w-]{{0,40}}")
_ASSIGNED = re.compile(rf"(?i){_SAYS}{_VALUE}")
_BARE = re.compile(r"[\"']?\s{1,3}[\"'`]?(?P<value>[A-Za-z0-9+/_=.-]{20,512})(?![\w(])")
_YAML = rf"(?i)name:\s*[\"']?(?P<name>[\w-]*(?:{_NAME})[\w-]*)[\"']?\s+value:\s*[\"']?{_VALUE}"
_HEADER = r"(?i)\b(?P<name>bearer|authorization:\s*(?:basic|token))\s+(?P<value>[A-Za-z0-9._~+/=-]{16,2048})"
_URL = r"://[^\s/:@\"'<>]{0,128}:(?P<value>[^\s/:@\"'<>]{5,256})@"
_FLAG = (
    r"\b(?:mysql|mysqldump|mysqladmin|sshpass|mariadb)\b[^\n|;]{0,80}?\s-p\s?['\"]?(?P<value>[^\s\"']{6,})"
)
_HOOK = r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[\w/]{20,})"

_WHOLE = (re.compile(_PEM), re.compile(rf"(?<![A-Za-z0-9_+.-])(?:{_PREFIXED})", re.ASCII))
_PARTS = tuple(re.compile(p) for p in (_URL, _FLAG, _HOOK))
_TITLED = tuple(re.compile(p) for p in (_HEADER, _YAML))
_STAND_IN = re.compile(
    r"(?i)your|example|changeme|change_me|placeholder|redacted|dummy|x{4}|\*{3}|\.{3}|^\W*$|^[$%<{]|^(?:user)?(?:pass(?:word|wd)?|pwd)$"
)

HINT = (
    r"-----BEGIN |://[^\s/]*@|hooks\.slack\.com|eyJ|(?i:bearer|authorization:)|mysql|mariadb|sshpass"
    rf"|(?i:(?:{_NAME}|\bpw)[a-z0-9_-]*[\"'`\])]*\s*(?:[=:\uff1a]|is|est|es|was|value:)\s*(?:value:\s*)?\S*[0-9])"
    r"|[A-Za-z0-9]{1,12}(?:[_.-]|//)[A-Za-z0-9/+=_.-]{12}|[A-Za-z0-9+/_=.-]{20}|[0-9]{8}:A"
)
"""What every text with a secret has, for engines without look-around: most text has none of it.

It has few counted repeats: with long ones the engine runs out of states and takes a hundred times as long."""


def find_keys(text: str) -> Iterator[tuple[int, int]]:
    """Places (start, end) of secrets in a text; where a name gives one away, the place is its value's."""
    for pattern in _WHOLE:
        yield from (m.span() for m in pattern.finditer(text))
    for pattern in _PARTS:
        yield from (m.span("value") for m in pattern.finditer(text) if not _STAND_IN.search(m["value"]))
    for pattern in _TITLED:
        yield from (place for m in pattern.finditer(text) for place in _guarded(text, m["name"], m))
    for name in _NAMED.finditer(text):
        value = _ASSIGNED.match(text, name.end()) or _BARE.match(text, name.end())
        if value:
            yield from _guarded(text, name.group(), value)


def _guarded(text: str, name: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The place of a named value, unless it is no secret or code that fetches one."""
    value = match["value"].rstrip(".:!?")
    if text[match.end() : match.end() + 1] not in {"(", "["} and secret(name, value):
        yield match.start("value"), match.start("value") + len(value)


def secret(name: str, value: str) -> bool:
    """Whether a value that was given a name such as `password` or `api_key` is one, and no word or code."""
    if _STAND_IN.search(value) or len(value) < 6:
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    if _SHORT.search(name):
        return digits > 0 and letters > 0
    return len(value) >= 16 and digits > 1 and letters > 1 and entropy(value) > 3


def entropy(text: str) -> float:
    """Shannon entropy of a text's characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
