#!/bin/sh
# Takes out of the freshly installed `condor` what none of the three roles needs: documents, Perl's modules (perl-base stays),
# the web view, Python's HTTP stack, and HTCondor's gateways to other batch systems and clouds.
set -eu

files_of() { # packages: their files go, their entries in dpkg's database stay
    for package in "$@"; do
        dpkg -L "$package" 2>/dev/null || true
    done | while read -r path; do
        if [ -f "$path" ] || [ -L "$path" ]; then rm -f "$path"; fi
    done
}

files_of libdate-manip-perl perl perl-modules-5.40 libperl5.40 libgdbm6t64 libgdbm-compat4t64 \
    fonts-glyphicons-halflings libjs-bootstrap libjs-jquery condor-upgrade-checks net-tools \
    python3-requests python3-chardet python3-charset-normalizer python3-urllib3 python3-idna python3-certifi \
    python3-cryptography python3-bcrypt python3-cffi-backend \
    pcre2-utils libpcre2-16-0 libpcre2-32-0 libpcre2-posix3 media-types readline-common

# Gateways and services that no role starts.
rm -rf /usr/libexec/blahp /etc/blah* /usr/libexec/condor/annex /usr/libexec/condor/credmon /usr/lib/python3/dist-packages/htcondor_cli \
    /usr/share/condor/htcondor.pp /etc/condor/ganglia.d /usr/share/condor/webview /usr/share/javascript
for program in condor_gridmanager condor_job_router condor_job_router_info condor_annex blahpd blahpd_daemon ec2_gahp arc_gahp \
    gce_gahp AzureGAHPServer condor_ft-gahp condor_c-gahp condor_c-gahp_worker_thread condor_gangliad htcondor_docker_test \
    condor_rooster condor_credd condor_gather_info condor_remote_cluster condor_vault_storer htcondor rvgahp_server rvgahp_client \
    rvgahp_proxy blah_check_config condor_power condor_top condor_docker_enter; do
    rm -f "/usr/bin/$program" "/usr/sbin/$program" "/usr/libexec/condor/$program"
done

rm -f /usr/libexec/condor/box_plugin.py /usr/libexec/condor/gdrive_plugin.py /usr/libexec/condor/onedrive_plugin.py

# Host keys and configuration come with each container.
rm -rf /etc/ssh/ssh_host_* /etc/condor/config.d/* /etc/condor/passwords.d /etc/condor/tokens.d

find /usr/lib/python3* -name __pycache__ -type d -prune -exec rm -rf {} +
rm -rf /usr/lib/python3.13/test /usr/lib/python3.13/idlelib /usr/lib/python3.13/turtledemo /usr/lib/python3.13/pydoc_data \
    /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian /usr/share/perl /usr/share/perl5 \
    /var/lib/apt/lists/* /var/cache/* /var/log/*.log /var/log/apt /tmp/*
find / -xdev -xtype l \( -path '/usr/bin/*' -o -path '/usr/sbin/*' -o -path '/usr/lib/x86_64-linux-gnu/*' \) -delete
mkdir -p /var/cache/apt/archives/partial
