set -eu
umask 077
new=/etc/aerie/.odd.new
rm -rf "$new"
mkdir -p "$new"
while read -r mode name data; do
  printf %s "$data" | base64 -d > "$new/$name"
  chmod "$mode" "$new/$name"
done
docker image inspect registry.example.org/a/b:1 >/dev/null 2>&1 || docker pull -q registry.example.org/a/b:1 >/dev/null
docker stop -t 30 odd >/dev/null 2>&1 || true
docker rm -f odd >/dev/null 2>&1 || true
mkdir -p /etc/aerie/odd
if [ -f /etc/aerie/odd/.files ]; then
  (cd /etc/aerie/odd && xargs -r rm -f < .files)
fi
(cd "$new" && ls -A) > "$new/.files"
find "$new" -mindepth 1 -exec mv -t /etc/aerie/odd {} +
rmdir "$new"
docker run -d --name odd --network host --restart unless-stopped --memory 256m --label aerie.service=odd --log-opt max-size=10m --log-opt max-file=3 -v /etc/aerie/odd:/etc/odd:ro -v data:/var/lib/odd -v /lib/modules:/lib/modules:ro -e 'A=it'"'"'s $x' -e 'B=two words' --pid host registry.example.org/a/b:1 sh -c 'echo $HOME; exit 0' >/dev/null
