//go:build acceptance

package acceptance

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/faults"
)

// TestGatesWithRings is the short version of make soak-gates: 24 gates whose controllers restart and fail while gateways are killed. What
// passed is in the cloud exactly; with rings too small, what is declared lost makes up for the rest exactly.
func TestGatesWithRings(t *testing.T) {
	for name, g := range map[string]faults.Gates{
		"large enough": {Seed: 3, Length: 40 * time.Second, Slots: 4096, Attendance: 6000},
		"too small":    {Seed: 4, Length: 30 * time.Second, Slots: 16, Attendance: 6000, TooSmall: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			program := func(name string) faults.Command {
				return faults.Command{Path: filepath.Join(root, "bin", name)}
			}
			v, err := faults.RunGates(t.Context(), g, faults.Options{Dir: t.TempDir(), Gateway: program("gateway"), Aggregator: program("aggregator"), Out: &said})
			if err != nil {
				t.Fatalf("%v\n%s", err, said.String())
			}
			var verdict strings.Builder
			v.Print(&verdict)
			fmt.Print(verdict.String())
			if !v.Equal() {
				t.Errorf("%s\n%s", verdict.String(), said.String())
			}
			if v.Passages.In < 1000 || v.Restarts == 0 || v.Kills == 0 {
				t.Errorf("%d passages in, %d restarts, %d kills: the run shows nothing", v.Passages.In, v.Restarts, v.Kills)
			}
		})
	}
}
