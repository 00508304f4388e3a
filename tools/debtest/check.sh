#!/usr/bin/env bash
# Proves the Debian packages: the same bytes twice, nothing to say for lintian, and in a Debian tree of its own (tmp/debtest): installed, checked
# by systemd, run by a booted systemd in the sandbox of the units, hung and restarted by the watchdog, purged without a trace. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=PATH,HOME "$0" "$@"

for tool in mmdebstrap lintian dpkg-deb systemd-nspawn; do
  command -v "$tool" >/dev/null || { echo "debtest needs $tool; in Debian: apt-get install mmdebstrap lintian dpkg systemd-container debian-archive-keyring" >&2; exit 1; }
done
work=$PWD/tmp/debtest
tree=$work/tree
mounted=
finish() { [ -z "$mounted" ] || umount "$tree/proc"; }
trap finish EXIT
fail() { echo "debtest: $*" >&2; exit 1; }
rm -rf "$work/once" "$work/again" "$tree"
mkdir -p "$work"

echo "debtest: building"
export LEVEL=0
DIST=$work/once boards/deb/build amd64 >/dev/null
DIST=$work/again boards/deb/build courtside-gateway amd64 >/dev/null
for deb in "$work"/again/*.deb; do
  cmp "$deb" "$work/once/$(basename "$deb")" || fail "two builds of one commit differ"
done
DIST=$work/once boards/deb/build courtside-gateway armhf >/dev/null # the others of ARM differ by the compiler alone
[ "$(find "$work/once" -name '*.deb' | wc -l)" = 3 ] || fail "not three packages: $(ls "$work/once")"
for deb in "$work"/once/*.deb; do
  lintian --allow-root --fail-on error,warning "$deb" || fail "lintian has something to say of $(basename "$deb")"
done

# dpkg has to know which of two is newer.
before=
for described in 0~git20261123.140501.abc123456 0~git20261124.000000.012345678 v1.2.0-rc1 v1.2.0-rc1-3-gabc123456 v1.2.0 v1.2.0-2-gabc123456 v1.2.0-11-g012345678 v1.10.0; do
  v=$(boards/deb/build --version-of "$described")
  [ -z "$before" ] || dpkg --compare-versions "$before-1" lt "$v-1" || fail "$before does not sort before $v"
  before=$v
done

echo "debtest: installing in a Debian tree"
if [ -z "$(find "$work/tree.tar" -mtime -7 2>/dev/null)" ]; then
  mmdebstrap --quiet --variant=essential --include=systemd,systemd-sysv,passwd --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    trixie "$work/tree.part.tar"
  mv "$work/tree.part.tar" "$work/tree.tar"
fi
mkdir "$tree"
tar -xf "$work/tree.tar" -C "$tree"
mount -t proc proc "$tree/proc"
mounted=yes
inside() { chroot "$tree" "$@"; }
# What is there: all files but the packager's own records and the backups of passwd.
files() { find "$tree" -xdev \( -path "$tree/proc" -o -path "$tree/var/lib/dpkg" -o -path "$tree/var/log" -o -path "$tree/debs" -o -path "$tree/run/systemd" \) -prune -o -printf '%P %M %u %g\n' | grep -v '^etc/[a-z]*- \|^etc/.pwd.lock' | sort; }
install_all() { inside sh -c 'dpkg -i /debs/*.deb' >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -i failed"; }; }
mkdir "$tree/debs"
cp "$work"/once/*_amd64.deb "$tree/debs/"
files >"$work/before"
install_all
install_all # again, as an upgrade does
inside id courtside >/dev/null && inside id courtside-aggregator >/dev/null || fail "a user is missing"
[ "$(stat -c '%U %a' "$tree/usr/bin/gateway")" = "root 755" ] || fail "who owns /usr/bin/gateway?"
[ "$(inside stat -c '%U:%G %a' /var/lib/courtside)" = "courtside:courtside 750" ] || fail "/var/lib/courtside is $(inside stat -c '%U:%G %a' /var/lib/courtside)"
inside gateway check /usr/share/doc/courtside-gateway/examples/gateway.yaml
inside aggregator check /usr/share/doc/courtside-aggregator/examples/aggregator.yaml
said=$(inside systemd-analyze verify --man=no courtside-gateway.service courtside-aggregator.service 2>&1) || fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify: $said"
for limit in courtside-gateway:25 courtside-aggregator:15; do # what the network and the devices cost; a sandbox that lost something is above
  inside systemd-analyze security --offline=true --no-pager --threshold="${limit#*:}" "${limit%:*}.service" >"$work/security.log" || { cat "$work/security.log" >&2; fail "the sandbox of ${limit%:*} is weaker than it was"; }
  tail -1 "$work/security.log"
done

echo "debtest: purging"
inside dpkg -r courtside-gateway courtside-aggregator >/dev/null
[ -d "$tree/var/lib/courtside" ] || fail "removing the package took what the gateway holds"
inside dpkg -P courtside-gateway courtside-aggregator >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "purging failed"; }
files >"$work/after"
diff "$work/before" "$work/after" >"$work/left" || { cat "$work/left" >&2; fail "a purge leaves something behind"; }
! inside id courtside >/dev/null 2>&1 || fail "a purge leaves the user"
install_all
inside install -o courtside -m 600 /dev/null /etc/courtside/svid.key
inside dpkg -P courtside-gateway >/dev/null 2>&1
[ -e "$tree/etc/courtside/svid.key" ] && inside id courtside >/dev/null || fail "a purge took a key that somebody put there, or freed the number of its owner"
rm "$tree/etc/courtside/svid.key"

echo "debtest: booting it"
install_all
umount "$tree/proc"
mounted=
bash tools/debtest/boot "$tree"
echo "debtest: the packages build, install, run, and go"
