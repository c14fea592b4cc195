"""The federation as the commands ask for it: its files, its pools, and the ways into them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from components.spec.machines import front_end_name
from components.spec.model import Federation, Pool
from components.spec.validate import FEDERATION_STACK, read_pools
from tools.login import Login, aerie_home, machine_logins, pool_login
from tools.reach import NotUp, Place, at_once, federation_here
from tools.status_stacks import outputs

from . import environment
from .terminal import UNABLE, Refused


@dataclass(frozen=True)
class Here:
    """What the files say."""

    root: Path
    federation: Federation
    pools: dict[str, Pool]

    def pool(self, name: str) -> Pool:
        """Raises Refused with what there is."""
        if name not in self.pools:
            raise Refused(*unknown("pool", name, self.pools), status=UNABLE)
        return self.pools[name]


def here() -> Here:
    """Of this clone. Raises ConfigError, NoEnvironment."""
    root = environment.ROOT
    environment.ensure(root)
    federation = federation_here(root)
    return Here(root, federation, read_pools(root, federation))


def unknown(what: str, name: str, there: Iterable[str]) -> tuple[str, str]:
    """A name that nothing has: what is said, and what to do."""
    known = list(there)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not known:
        return f"there is no {what} {name}, nor any other", f"aerie {what} add {name}"
    return (
        f"there is no {what} {name}; there are: {', '.join(known)}",
        f"write {near[0]}" if near else "aerie status shows all",
    )


def is_up(stack: str, found: dict[str, object], key: str) -> None:
    """Raises NotUp unless the stack's outputs have `key`."""
    if key not in found:
        raise NotUp(f"the stack {stack} is not up\n  aerie up {stack}")


def into_pool(the: Here, name: str, user: str = "", key: Path | None = None) -> Login:
    """As the pool's first user, unless another is named; with the key that `make up` made, unless another is given."""
    pool = the.pool(name)
    names = [u.name for u in pool.users]
    if user and user not in names:
        raise Refused(*unknown("user", user, names), status=UNABLE)
    found = outputs(name, the.root)
    is_up(name, found, "login_host")
    login = pool_login(the.federation, name, pool, found, names[0])
    user = user or names[0]
    own = key or aerie_home(the.federation) / "ssh" / user
    if not own.is_file():
        text = f"there is no key of {user} at {own}"
        raise Refused(
            text, f"aerie ssh {name} --user {user} --key FILE, with the key whose .pub is in Pulumi.{name}.yaml", UNABLE
        )
    return replace(login, user=user, key=own)


def site_of(federation: Federation, machine: str) -> str:
    """The site whose machine has such a name; "" if none. A site's name stands for its front-end."""
    fitting = [s for s in federation.sites if machine == s or machine.startswith(f"{s}-")]
    return max(fitting, key=len, default="")


def into_machine(the: Here, name: str) -> Place:
    """Its operator's way in. A site's name is its front-end's."""
    site = site_of(the.federation, name)
    if not site:
        everything = [*the.pools, *the.federation.sites]
        raise Refused(
            f"there is no pool and no machine {name}; pools and sites: {', '.join(everything)}",
            "aerie status shows all",
            UNABLE,
        )
    shared, found = at_once(lambda stack: outputs(stack, the.root), [FEDERATION_STACK, site])
    is_up(site, found, "machines")
    name = front_end_name(site) if name == site else name
    machines = found["machines"]
    if name not in machines:
        raise Refused(*unknown("machine", name, machines), status=UNABLE)
    login = machine_logins(the.federation, shared, site, found)[name]
    return Place(name, site, machines[name], name == front_end_name(site), login)
