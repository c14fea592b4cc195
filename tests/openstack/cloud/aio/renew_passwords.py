#!/usr/bin/python3
"""New passwords for all users of Keystone, and the address of this container in its catalog. Before Keystone starts.

The image has users, but nobody knows their passwords: they are made here at each start, and told to the services'
configuration (/run/aio/passwords) and to whoever uses the cloud (/run/aio/clouds.yaml) only.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

import bcrypt
import pymysql

RUN = Path("/run/aio")
KEYS = Path("/etc/keystone/fernet-keys")
CLOUD = """\
  {cloud}:
    region_name: RegionOne
    identity_api_version: 3
    auth:
      auth_url: http://{address}:5000/v3
      username: {user}
      password: {password}
      project_name: {user}
      user_domain_name: Default
      project_domain_name: Default
"""


def main(address: str) -> None:
    os.umask(0o077)
    passwords = {}
    with pymysql.connect(user="root", unix_socket="/run/mysqld/mysqld.sock", database="keystone") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT p.id, u.name FROM password p JOIN local_user u ON u.id = p.local_user_id")
            for number, user in cursor.fetchall():
                passwords[user] = secrets.token_urlsafe(24)
                # Few rounds suffice for a random password, and each token's making takes as long as they do.
                digest = bcrypt.hashpw(passwords[user].encode(), bcrypt.gensalt(4)).decode()
                cursor.execute("UPDATE password SET password_hash = %s WHERE id = %s", (digest, number))
            cursor.execute(
                "UPDATE endpoint SET url = REPLACE(url, '127.0.0.1', %s) WHERE interface = 'public'", (address,)
            )
        connection.commit()
    for key in KEYS.iterdir():  # what tokens are signed with
        key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    (RUN / "passwords").write_text("".join(f"{user} {password}\n" for user, password in passwords.items()))
    clouds = {"aio": "demo", "aio-admin": "admin"}
    (RUN / "clouds.yaml").write_text(
        "clouds:\n"
        + "".join(
            CLOUD.format(cloud=cloud, user=user, password=passwords[user], address=address)
            for cloud, user in clouds.items()
        )
    )


main(sys.argv[1])
