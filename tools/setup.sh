#!/usr/bin/env bash
# Sets the machine up for aerie.  usage: tools/setup.sh [STEP...]
#
# Steps, all but the last two by default, each skipped where nothing is to be done:
#   packages  Debian packages that the tools need
#   docker    a Docker engine: a running one is used, else one is installed and started
#   venv      a Python environment from requirements.txt and requirements-dev.txt; .venv points to it
#   pulumi    a `pulumi` on PATH if it suits, else Pulumi's installer, else one built from tools/toolchain
#   browser   Chromium and chromedriver, for the live tests of the web page (tools/test does this step)
#   maven     Maven, which brings OpenSearch for `monitoring.history` (tools/test does this step)
#
# For Debian 12 and 13 and Ubuntu 24.04, as root or as a user with sudo. What is built or fetched is
# kept in $AERIE_CACHE (~/.cache/aerie), so another clone needs none of it again.
#   AERIE_PULUMI=substitute  leaves out the CLI on PATH and the installer
#   AERIE_PULUMI_URL         where the installer is (https://get.pulumi.com)
#   AERIE_BUILD_JOBS         how many compilers run at once (as many as there are cores)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tools/setup/common.sh"
. "$root/tools/setup/packages.sh"
. "$root/tools/setup/docker.sh"
. "$root/tools/setup/venv.sh"
. "$root/tools/setup/pulumi.sh"

case ${1:-} in -h | --help)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
	exit
	;;
esac
[ $# != 0 ] || set -- packages docker venv pulumi
for step; do
	case $step in packages | docker | venv | pulumi | browser | maven) ;; *) fail "no such step: $step" "See: tools/setup.sh --help" ;; esac
done

[ "$(uname -s)" = Linux ] || fail "this is no Linux" "Use Debian 12 or 13, or Ubuntu 24.04."
case $(uname -m) in x86_64 | aarch64) ;; *) fail "the images and tools are for x86_64 and aarch64, not $(uname -m)" ;; esac
mkdir -p "$cache" || fail "the folder $cache can't be made" "Set AERIE_CACHE to one that can."

for step; do "set_up_$step"; done
