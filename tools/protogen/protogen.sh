#!/bin/sh
# Generates the Go code of the .proto files. It needs protoc 3.21 or later (Debian: protobuf-compiler); the Go plugin
# comes from this module's tool directive, at the version of go.mod.
# With --check it changes nothing and fails when the committed code is not what protoc would write.
set -eu
cd "$(dirname "$0")/../.."

command -v protoc >/dev/null || { echo "protogen: protoc is not installed (Debian: apt install protobuf-compiler)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '#!/bin/sh\nexec go tool protoc-gen-go "$@"\n' >"$work/protoc-gen-go"
chmod +x "$work/protoc-gen-go"
mkdir "$work/out"

for proto in sync/contract/courtside.proto drivers/tracking/events/events.proto; do
	dir=$(dirname "$proto")
	code=$(basename "$proto" .proto).pb.go
	protoc --plugin="protoc-gen-go=$work/protoc-gen-go" --proto_path="$dir" \
		--go_out="$work/out" --go_opt=paths=source_relative "$(basename "$proto")"
	if [ "${1:-}" = --check ]; then
		# The header names protoc's version, which may differ from machine to machine.
		grep -v '^// .*protoc' "$work/out/$code" >"$work/want"
		grep -v '^// .*protoc' "$dir/$code" >"$work/have"
		cmp -s "$work/want" "$work/have" || { echo "protogen: $dir/$code is stale; run make proto" >&2; exit 1; }
	else
		cp "$work/out/$code" "$dir/$code"
	fi
done
