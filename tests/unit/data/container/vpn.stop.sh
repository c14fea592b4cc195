docker stop -t 10 vpn >/dev/null 2>&1 || true
docker rm -f vpn >/dev/null 2>&1 || true
rm -rf /etc/aerie/vpn
