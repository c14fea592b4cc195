"""The kinds of single values that the configuration has, each with what to write instead of a wrong one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def matches(pattern: str, says: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):  # compiled when first used: most of these kinds a file does not have
            raise ValueError(says)
        return value

    return AfterValidator(check)


def _text(says: str) -> BeforeValidator:
    """Only a text is taken: of a number, `ipaddress` makes an address such as 0.0.0.12."""

    def check(value: Any) -> Any:
        if isinstance(value, int):
            raise ValueError(says)
        return value

    return BeforeValidator(check)


NETWORK_FORM = "is no IPv4 network|write a network such as 172.31.1.0/24, no host bits set"
ADDRESS_FORM = "is no IPv4 address|write an address such as 10.66.0.10"
IPV6_FORM = "is no IPv6 prefix|write a prefix such as fd7a:ae:1e::/48, no host bits set"
Cidr = Annotated[IPv4Network, _text(NETWORK_FORM)]
Prefix6 = Annotated[IPv6Network, _text(IPV6_FORM)]


def _any_network(value: Any) -> Any:
    """Of either family; each has its own words for what is none."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(IPV6_FORM if isinstance(value, str) and ":" in value else NETWORK_FORM) from None


AnyCidr = Annotated[IPv4Network | IPv6Network, BeforeValidator(_any_network)]
Address = Annotated[IPv4Address, _text(ADDRESS_FORM)]

NAME = r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?"
NAME_FORM = "is no name|write 1 to 20 of a-z, 0-9 and '-', a letter first and no '-' last"
Name = Annotated[str, matches(NAME, NAME_FORM)]
SiteName = Annotated[  # the VPN's interface wg-<site> has at most 15 characters
    str,
    matches(
        r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?",
        "is no name of a site|write 1 to 12 of a-z, 0-9 and '-', a letter first and no '-' last",
    ),
]
GroupLabel = Annotated[  # <site>-<group>-<number> is a machine's name
    str,
    matches(
        r"(?!(agent|front|front-end)$)[a-z]([a-z0-9-]{0,10}[a-z])?",
        "is no name of a group|write 1 to 12 of a-z, 0-9 and '-', a letter first and last; not agent nor front-end",
    ),
]
UserName = Annotated[
    str,
    matches(
        r"[a-z_][a-z0-9_-]{0,31}",
        "is no POSIX user name|write a-z, 0-9, '_' and '-', at most 32, with a letter or '_' first",
    ),
]
PUBLIC_KEY = (
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]{40,}={0,2}( .*)?"
)
PublicKey = Annotated[
    str,
    matches(
        PUBLIC_KEY,
        "is no SSH public key|write the one line of a .pub file, such as ssh-ed25519 AAAA... name",
    ),
]

AbsolutePath = Annotated[
    str,
    matches(
        r"(/[A-Za-z0-9_.@%+-]+)+",
        "is no absolute path|write such as /data/software: a-z, A-Z, 0-9 and '_.@%+-' between its slashes",
    ),
]
Device = Annotated[str, matches(r"/dev(/[A-Za-z0-9_.-]+)+", "is no device|write its path, such as /dev/fuse")]
UlimitName = Annotated[
    str,
    matches(
        "core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack",
        "is no ulimit|write one that Docker knows, such as nofile, nproc, memlock, core",
    ),
]
ULIMIT_FORM = "is no limit|write SOFT or SOFT:HARD, whole numbers or -1, such as 1024:65536"
Ulimit = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    matches(r"(-1|\d{1,18})(:(-1|\d{1,18}))?", ULIMIT_FORM),
]
VariableName = Annotated[
    str,
    matches(
        r"(?!AERIE_|CONDOR_|LD_)[A-Za-z][A-Za-z0-9_]*",
        "is no variable that is yours to set|write letters, digits and '_', a letter first, and not AERIE_, CONDOR_ or LD_",
    ),
]
AttributeValue = Annotated[
    str, matches(r"[A-Za-z0-9_.-]+", "is no value of an attribute|write letters, digits and '_.-'")
]
GroupName = Annotated[
    str,
    matches(
        r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*",
        "is no accounting group|write letters, digits and '_', with a dot before a subgroup",
    ),
]

Url = Annotated[
    str,
    matches(
        r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[^\s@]*)?",
        "is no address of a webhook|write such as https://alerts.example.org/aerie; a token is set by pulumi config set --secret alerts_webhook_token",
    ),
]
MailAddress = Annotated[
    str,
    matches(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]*[A-Za-z0-9]", "is no mail address|write such as farm@example.org"),
]
MailServer = Annotated[
    str, matches(r"[A-Za-z0-9.-]+:\d{1,5}", "is no mail server|write HOST:PORT, such as smtp.example.org:587")
]


def _sealed(value: Any) -> Any:
    """In the file a secret is `{secure: v1:...}`; Pulumi hands the program what is in it."""
    if isinstance(value, dict) and set(value) == {"secure"}:
        return str(value["secure"])
    return value


SealedText = Annotated[str, BeforeValidator(_sealed)]  # a secret of a stack's configuration

Rotation = dict[str, Annotated[int, Field(ge=0)]]  # identity -> which generation of it


class Model(BaseModel):
    """Frozen, and no key is let through that it does not know. What validates is made when first used: whoever imports this does not
    use all of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
