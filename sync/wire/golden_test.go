package wire

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

var update = flag.Bool("update", false, "write testdata/wire anew; see the README there")

// goldenDir holds payloads as they were once published. They are read for ever.
const goldenDir = "../../testdata/wire"

func goldenTable() []point.Point { return oneOfEach()[:atNone] }

func goldenAck() Ack {
	epoch := point.Epoch{0xE0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	return Ack{Incarnation: "3f9c", CloudTime: time.Unix(1763000000, 5).UTC(), Credit: 1 << 20, Inventory: 12,
		Durable: []Range{{Epoch: epoch, Lane: point.Telemetry, From: 0, To: 900}, {Epoch: epoch, Lane: point.Critical, From: 7, To: 8}},
		Tables:  []point.TableHash{{0x7A, 0xB1, 0xE0}}, Refused: []Refused{{point.BatchID{Epoch: epoch, Lane: point.Telemetry, Seq: 901}, "malformed"}}}
}

func goldenInventory() Inventory {
	epoch, old := point.Epoch{0xE0, 15: 1}, point.Epoch{0xEF, 15: 2}
	m := clock.Map{Boot: clock.BootID{0xB0}, From: 1e9, Offset: 1763000000 * time.Second, Uncertainty: time.Millisecond, Source: clock.Cloud}
	return Inventory{Number: 12, Session: "s-1", Epochs: []EpochInventory{
		{Epoch: old, Map: m, Lanes: []LaneInventory{{Lane: point.Critical, Next: 4}}},
		{Epoch: epoch, Predecessor: old, Clean: true, Open: true, Map: m, Lanes: []LaneInventory{
			{Lane: point.Telemetry, Next: 1000, Pending: []PendingRange{{From: 10, To: 20, First: 1e9, Last: 2e9}, {From: 990, To: 1000, First: 3e9, Last: 4e9}}},
			{Lane: point.Critical, Next: 3}}}}}
}

// goldens encodes every golden message as the present code does.
func goldens(t *testing.T) map[string][]byte {
	t.Helper()
	parts, hash, err := EncodeTable(goldenTable(), 0)
	if err != nil {
		t.Fatal(err)
	}
	b := fullBatch()
	b.Table = hash
	return map[string][]byte{"batch.bin": sealed(t, goldenTable(), b), "table.bin": parts[0],
		"ack.bin": EncodeAck(goldenAck()), "inventory.bin": EncodeInventory(goldenInventory())}
}

// TestGolden: payloads that were published once are read as what they said then. A change of the bytes that
// the encoder writes is allowed, and shows here so that it is on purpose; a change of what is read is not.
func TestGolden(t *testing.T) {
	for name, now := range goldens(t) {
		path := filepath.Join(goldenDir, name)
		if *update {
			if err := os.MkdirAll(goldenDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, now, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(golden, now) {
			t.Errorf("%s: the encoder writes other bytes now; if that is intended: go test ./sync/wire -run TestGolden -update", name)
		}
		readGolden(t, name, golden)
	}
}

func readGolden(t *testing.T, name string, golden []byte) {
	t.Helper()
	var got, want any
	var err error
	switch name {
	case "batch.bin":
		_, d := newCodec(t, Limits{})
		var b Batch
		_, err = d.Decode(golden, goldenTable(), &b)
		_, hash, _ := EncodeTable(goldenTable(), 0)
		w := *fullBatch()
		w.Table = hash
		got, want = b, w
	case "table.bin":
		got, _, _, err = new(TableAssembler).Add(golden)
		want = goldenTable()
	case "ack.bin":
		got, err = DecodeAck(golden)
		want = goldenAck()
	case "inventory.bin":
		got, err = DecodeInventory(golden)
		want = goldenInventory()
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is read as\n%+v, %v\nwant\n%+v", name, got, err, want)
	}
}
