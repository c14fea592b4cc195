#!/bin/sh
# Cuts the Debian tree below $1 to what a container needs.  Licence texts (usr/share/doc/*/copyright) stay.
set -eu
root=${1:?root of the tree}
[ -e "$root/etc/debian_version" ] || { echo "slim: $root is no Debian tree" >&2; exit 1; }

# What later installations leave out as well.
cat > "$root/etc/dpkg/dpkg.cfg.d/aerie" <<'X'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/i18n/locales/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/bug/*
# Container file systems are thrown away after a crash: no fsync for every unpacked file.
force-unsafe-io
X
cat > "$root/etc/apt/apt.conf.d/90aerie" <<'X'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::AutoRemove::SuggestsImportant "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
X
# Packages must not start their daemons while an image is built.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
cp "$(dirname "$0")/install-packages" "$root/usr/local/sbin/install-packages"
chmod 0755 "$root/usr/local/sbin/install-packages"

# Packages come from where the tree came from, and the security updates, which debootstrap does not name, from beside it.
mirror=$(awk '$1 == "deb" { print $2; exit }' "$root/etc/apt/sources.list")
mirror=${mirror%/}
rm -f "$root/etc/apt/sources.list"
cat > "$root/etc/apt/sources.list.d/debian.sources" <<X
Types: deb
URIs: ${mirror:?debootstrap named no mirror}
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $mirror-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
X

cd "$root"
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -type l -delete
find usr/share/doc -depth -type d -empty -delete
find usr/share/locale -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
# C.UTF-8 is part of libc-bin (usr/lib/locale/C.utf8) and stays.
rm -rf usr/share/man usr/share/info usr/share/lintian usr/share/linda usr/share/bug usr/share/i18n
rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/debconf/*-old var/log/* tmp/* run/* var/lib/dpkg/*-old
rm -rf usr/share/zoneinfo/right usr/share/zoneinfo/posix
mkdir -p var/cache/apt/archives/partial var/lib/apt/lists/partial usr/share/info
# update-alternatives, called by some packages, fails without the folders of the manual.
for section in 1 2 3 4 5 6 7 8; do mkdir -p usr/share/man/man$section; done
# What belongs to the building machine, not to the image.
rm -f etc/hostname etc/resolv.conf etc/machine-id var/lib/dbus/machine-id
: > etc/machine-id
