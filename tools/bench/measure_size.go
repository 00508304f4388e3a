package main

import (
	"context"
	"os"
	"path/filepath"
)

// binarySize builds the gateway for the smallest board.
func binarySize() measurement {
	m := measurement{name: "size", rows: []row{atMost("size-armv7", "gateway binary, armv7, stripped", 24, "MB")}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) {
		out := filepath.Join(b.dir, "armv7", "gateway")
		if err := b.build(ctx, []string{"GOOS=linux", "GOARCH=arm", "GOARM=7"}, out, "./firmware/cmd/gateway"); err != nil {
			return nil, err
		}
		info, err := os.Stat(out)
		if err != nil {
			return nil, err
		}
		return []row{m.rows[0].is(megabytes(info.Size()), "GOARM=7, CGO off, -s -w")}, nil
	}
	return m
}
