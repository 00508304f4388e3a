package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

func TestRunServesAndEnds(t *testing.T) {
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out strings.Builder
	if err := run(ctx, []string{"-dir", dir, "/aggregator", "/venue/dal-001/gateway/gw-north"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if want := "spiffe://courtside.test/venue/dal-001/gateway/gw-north unix://" + dir + "/gw-north.dal-001/agent.sock\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%s", out.String())
	}
	for _, args := range [][]string{{}, {"-dir", dir}, {"-dir", dir, "nonsense"}, {"-nonsense"}, {"-dir", dir, "-trust-domain", "Not A Domain", "/broker"}} {
		if err := run(ctx, args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
