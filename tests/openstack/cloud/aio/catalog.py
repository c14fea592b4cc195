#!/usr/bin/python3
"""The services' users, the endpoints and the project `demo`, in one process: the CLI would take 2 s a call.

With the administrator's password in OS_BOOTSTRAP_PASSWORD. The public endpoints get the container's address at its start.
"""

import os
import secrets

import openstack

SERVICES = {  # user: (type, name, address of its API); see renew_passwords.py for the address
    "glance": ("image", "glance", "http://127.0.0.1:9292"),
    "placement": ("placement", "placement", "http://127.0.0.1:8778"),
    "nova": ("compute", "nova", "http://127.0.0.1:8774/v2.1"),
    "neutron": ("network", "neutron", "http://127.0.0.1:9696"),
    "cinder": ("volumev3", "cinderv3", "http://127.0.0.1:8776/v3/$(project_id)s"),
}

identity = openstack.connect(
    auth_url="http://127.0.0.1:5000/v3",
    username="admin",
    password=os.environ["OS_BOOTSTRAP_PASSWORD"],
    project_name="admin",
    user_domain_name="Default",
    project_domain_name="Default",
    region_name="RegionOne",
).identity

roles = {role.name: role for role in identity.roles()}
for name in {"service"} - roles.keys():
    roles[name] = identity.create_role(name=name)


def user(name, project, *names):
    # Nobody learns this password: there are new ones at each start.
    made = identity.create_user(name=name, password=secrets.token_urlsafe(24), domain_id="default")
    for role in names:
        identity.assign_project_role_to_user(project, made, roles[role])


service = identity.create_project(name="service", domain_id="default")
for name, (kind, title, url) in SERVICES.items():
    user(name, service, "admin", "service")
    made = identity.create_service(type=kind, name=title)
    for interface in ("public", "internal", "admin"):
        identity.create_endpoint(service_id=made.id, interface=interface, url=url, region_id="RegionOne")
user("demo", identity.create_project(name="demo", domain_id="default"), "member")
