#!/bin/sh
# Proves that payloads are what they claim: opens every golden with the real zstd and protoc, which know nothing of
# Courtside but courtside.proto, and compares what they say with the committed text. With --update it writes that text.
set -eu
cd "$(dirname "$0")/../.."
dir=testdata/wire

for tool in zstd protoc; do
	command -v "$tool" >/dev/null || { echo "wiregolden: $tool is not installed (Debian: apt install zstd protobuf-compiler)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
while read -r name message; do
	zstd -dcq "$dir/$name.bin" >"$work/$name.raw"
	protoc --proto_path=sync/contract --decode="courtside.sync.v1.$message" courtside.proto <"$work/$name.raw" >"$work/$name.textproto"
	if [ "${1:-}" = --update ]; then
		cp "$work/$name.textproto" "$dir/$name.textproto"
	elif ! diff -u "$dir/$name.textproto" "$work/$name.textproto"; then
		echo "wiregolden: $name.bin does not say what $name.textproto does" >&2
		status=1
	fi
	# A field without a name in the text is one that the contract does not know.
	if grep -Eq '^ *[0-9]+(:| \{)' "$work/$name.textproto"; then
		echo "wiregolden: $name.bin has fields that courtside.proto does not" >&2
		status=1
	fi
done <<'GOLDENS'
batch Batch
table PointTable
ack Ack
inventory Inventory
GOLDENS
[ $status = 0 ] && echo "wiregolden: zstd and protoc open every golden"
exit $status
