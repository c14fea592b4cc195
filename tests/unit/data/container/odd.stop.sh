docker stop -t 30 odd >/dev/null 2>&1 || true
docker rm -f odd >/dev/null 2>&1 || true
rm -rf /etc/aerie/odd
