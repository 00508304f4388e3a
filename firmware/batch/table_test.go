package batch

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// byTable decodes every frame under the table that it names, and tells each sample by its point's name.
func (s *sink) byTable(t *testing.T, tables map[point.TableHash][]point.Point) (told []string) {
	t.Helper()
	s.each(t, func(h wire.Header, decode func([]point.Point) wire.Batch) {
		table, ok := tables[h.Table]
		if !ok {
			t.Fatalf("a frame names table %s, which nobody made", h.Table)
		}
		b := decode(table)
		for _, v := range b.Samples {
			text := ""
			if table[v.Index].Type == point.Text {
				text = " " + b.Texts[v.Bits]
			}
			told = append(told, fmt.Sprintf("%s at %d%s", table[v.Index].Name, v.Time, text))
		}
		for _, g := range b.Gaps {
			told = append(told, fmt.Sprintf("gap of %s", table[g.Index].Name))
		}
	})
	return told
}

func TestEveryBatchIsOfOneTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		o := options(t, s)
		o.Linger = time.Second
		b, stop := start(t, o)
		other := append([]point.Point{{Device: "plc-2", Name: "new/1", Type: point.Float, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}}, points...)
		_, hash, err := wire.EncodeTable(other, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		tables := map[point.TableHash][]point.Point{o.Hash: points, hash: other}

		b.Add(point.Telemetry, seats(2, 10), nil)
		b.Add(point.Telemetry, &filter.Report{Samples: []point.Sample{{Index: 1, Time: 12}}, Texts: []string{"old"}}, nil)
		b.Add(point.Critical, gate(3, "c"), nil)
		s.set(func() {
			s.gaps = []point.Gap{{PointKnown: true, Index: 3, Lane: point.Critical, Count: 1, Reason: point.GapDropped}}
		})
		b.UseTable(other, hash)
		b.Add(point.Telemetry, &filter.Report{Samples: []point.Sample{{Index: 0, Time: 20, Bits: point.FloatBits(1)}, {Index: 1, Time: 21}}}, nil)
		b.Add(point.Telemetry, &filter.Report{Samples: []point.Sample{{Index: 2, Time: 22}}, Texts: []string{"new"}}, nil)
		stop()

		got := s.byTable(t, tables)
		slices.Sort(got)
		want := []string{"gap of ticket/1", "gate/1 at 1003", "new/1 at 20", "seat/1 at 10", "seat/1 at 11", "seat/1 at 21", "text/1 at 12 old", "text/1 at 22 new"}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestAChangeOfTheTableDoesNotWaitForTheSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		s.refuse = spool.ErrBacklogged
		o := options(t, s)
		b, stop := start(t, o)
		b.Add(point.Critical, gate(1, "a"), nil)
		time.Sleep(time.Second) // the first batch waits for room now
		b.Add(point.Critical, gate(2, "b"), nil)
		other := append([]point.Point{{Device: "a", Name: "x", Type: point.Int, Class: point.State, Kind: point.Generic, Lane: point.Telemetry}}, points...)
		_, hash, err := wire.EncodeTable(other, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		b.UseTable(other, hash) // a deadlock would end the bubble
		moved := gate(3, "c")
		moved.Samples[0].Index, moved.Runs[0].Index = 3, 3
		b.Add(point.Critical, moved, nil)
		s.set(func() { s.refuse = nil })
		s.room <- struct{}{}
		time.Sleep(time.Second)
		stop()
		got := s.byTable(t, map[point.TableHash][]point.Point{o.Hash: points, hash: other})
		if want := []string{"gate/1 at 1001", "gate/1 at 1002", "gate/1 at 1003"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q, in order", got, want)
		}
	})
}
