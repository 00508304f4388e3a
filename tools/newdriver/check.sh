#!/usr/bin/env bash
# Follows docs/new-driver.md on a scratch copy of the repository: writes each file that it shows, applies its patch, runs its commands,
# in the order of the page. Any that fails ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."

page=docs/new-driver.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files -co --exclude-standard -z | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$work"
else
	tar --exclude=./bin --exclude=./tmp --exclude=./.git -cf - . | tar -xf - -C "$work"
fi
[ ! -e "$work/drivers/beam" ] || { echo "newdriver: drivers/beam is there already" >&2; exit 1; }

# Each block becomes NNN.kind; the name of a file stands in NNN.name.
blocks=$work/.blocks
mkdir "$blocks"
awk -v dir="$blocks" '
	/^```/ && inside { inside = 0; if (out) close(out); out = ""; next }
	/^```/ {
		inside = 1; out = ""
		if (match($0, /file=[^ ]+/)) { kind = "file"; name = substr($0, RSTART + 5, RLENGTH - 5) }
		else if ($0 ~ /patch=yes/) kind = "patch"
		else if ($0 ~ /run=yes/) kind = "run"
		else next
		out = sprintf("%s/%03d.%s", dir, ++n, kind)
		if (kind == "file") { print name > (dir "/" sprintf("%03d", n) ".name"); close(dir "/" sprintf("%03d", n) ".name") }
		next
	}
	inside && out { print > out }
' "$page"

cd "$work"
files=0 patches=0 runs=0
for block in "$blocks"/*; do
	case $block in
	*.file)
		name=$(cat "${block%.file}.name")
		mkdir -p "$(dirname "$name")"
		cp "$block" "$name"
		files=$((files + 1))
		;;
	*.patch)
		git apply -C1 "$block"
		patches=$((patches + 1))
		;;
	*.run)
		while IFS= read -r line; do
			echo "+ $line"
		done <"$block"
		bash -euo pipefail "$block"
		runs=$((runs + 1))
		;;
	esac
done
badly=$(gofmt -l drivers/beam drivers/all)
[ -z "$badly" ] || { echo "newdriver: not gofmt'd: $badly" >&2; exit 1; }
changed=$(diff -rq --exclude=.blocks --exclude=.git --exclude=bin --exclude=tmp "$OLDPWD/drivers" drivers || true)
[ "$(grep -c . <<<"$changed")" = 2 ] || { echo "newdriver: more than one folder and one file of drivers changed:" >&2; echo "$changed" >&2; exit 1; }
[ $files -ge 6 ] && [ $patches = 1 ] && [ $runs -ge 2 ] || { echo "newdriver: the page has $files files, $patches patches, $runs runs" >&2; exit 1; }
echo "newdriver: $page was followed: $files files, one folder and one line; the suite passes"
