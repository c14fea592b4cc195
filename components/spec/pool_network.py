"""`aerie:pool.network`: what a pool's containers may reach, and who may reach them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .fields import AnyCidr, Model, Name, matches

PORT_FORM = "is no port|write tcp/PORT, udp/PORT or tcp/FIRST-LAST, such as tcp/3128 or udp/5000-5010, or icmp"
Port = Annotated[str, matches(r"(tcp|udp)/\d{1,5}(-\d{1,5})?|icmp", PORT_FORM)]


class Opening(Model):
    """Other pools, or networks, and the ports of whoever is asked that are opened."""

    pools: list[Name] = []
    nets: list[AnyCidr] = []
    ports: list[Port] = Field(min_length=1)


class Closing(Model):
    """Networks that are shut off though something else opens them; without `ports` wholly."""

    nets: list[AnyCidr] = Field(min_length=1)
    ports: list[Port] = []


class PoolNetwork(Model):
    """What a pool's containers may reach, and who may reach them, beside what every pool needs and has."""

    outside: bool = True
    allow_to: list[Opening] = []
    allow_from: list[Opening] = []
    deny_to: list[Closing] = []
    deny_from: list[Closing] = []
