package ingest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/wire"
)

// TestEveryBatchOfABacklogGetsItsTurn: whatever lands, is refused or is applied in between, nothing is left waiting with nothing under way,
// each gateway's batches keep their order, and no more is ahead than may be.
func TestEveryBatchOfABacklogGetsItsTurn(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b backlogs
		gateways := []*gateway{{}, {}, {}}
		sent, got := make([]uint64, 3), make([]uint64, 3)
		var under []delayed // let go, and neither landed nor dropped
		offset, applied := uint64(0), uint64(0)
		let := func(d delayed) {
			who := 0
			for d.gw != gateways[who] {
				who++
			}
			if d.header.Seq != got[who] {
				t.Fatalf("seed %d: gateway %d: batch %d came, want %d", seed, who, d.header.Seq, got[who])
			}
			got[who]++
			under = append(under, d)
		}
		for step := 0; step < 400 || len(b.turns) > 0 || len(under) > 0 || applied < offset; step++ {
			switch n := r.IntN(4); {
			case n == 0 && step < 400:
				who := r.IntN(3)
				d := delayed{gw: gateways[who], payload: make([]byte, 1+r.IntN(100)), received: time.Unix(int64(step), 0),
					header: wire.Header{Seq: sent[who], Count: uint32(r.IntN(2 * aheadSamples / 3))}}
				sent[who]++
				if b.put(d) == now {
					let(d)
				}
			case n == 1 && len(under) > 0:
				d := under[0]
				under = under[1:]
				if r.IntN(5) == 0 {
					b.drops(d.header)
				} else {
					b.lands(d.header, offset)
					offset++
				}
			case n == 2 && applied < offset:
				applied += 1 + r.Uint64N(offset-applied)
				b.applied(applied)
			}
			for d := b.next(); d != nil; d = b.next() {
				let(*d)
			}
			if len(b.turns) > 0 && b.ahead == 0 {
				t.Fatalf("seed %d: somebody waits, and nothing is under way", seed)
			}
			if b.ahead < 0 || b.ahead > aheadSamples && len(under)+len(b.landed) > 1 {
				t.Fatalf("seed %d: %d samples are ahead", seed, b.ahead)
			}
		}
		if batches, bytes := b.held(); batches != 0 || bytes != 0 || b.ahead != 0 || !b.oldest().IsZero() {
			t.Fatalf("seed %d: in the end %d batches, %d bytes, %d samples ahead", seed, batches, bytes, b.ahead)
		}
		for who := range sent {
			if got[who] != sent[who] {
				t.Fatalf("seed %d: gateway %d sent %d batches, %d went", seed, who, sent[who], got[who])
			}
		}
	}
}

func TestGatewaysTakeTurns(t *testing.T) {
	var b backlogs
	one, other := &gateway{}, &gateway{}
	batch := func(gw *gateway, seq uint64) delayed {
		return delayed{gw: gw, header: wire.Header{Seq: seq, Count: aheadSamples}, received: time.Unix(int64(seq), 0)}
	}
	if b.put(batch(one, 0)) != now {
		t.Fatal("the first has to wait")
	}
	for seq := uint64(1); seq < 4; seq++ {
		if b.put(batch(one, seq)) != later {
			t.Fatal("another one went")
		}
	}
	if b.put(batch(other, 9)) != later || b.put(batch(one, 2)) != again || !b.oldest().Equal(time.Unix(1, 0)) {
		t.Error("what waits is not known")
	}
	var order []uint64
	for offset := range uint64(5) {
		b.lands(wire.Header{Count: aheadSamples}, offset)
		b.applied(offset + 1)
		if d := b.next(); d != nil {
			order = append(order, d.header.Seq)
		}
	}
	if want := []uint64{1, 9, 2, 3}; len(order) != 4 || order[0] != want[0] || order[1] != want[1] || order[2] != want[2] || order[3] != want[3] {
		t.Errorf("they went as %v, want %v", order, want)
	}
}

// TestBeyondItsMemoryABacklogGoesAtOnce, so that nobody can fill it.
func TestBeyondItsMemoryABacklogGoesAtOnce(t *testing.T) {
	var b backlogs
	gw, payload := &gateway{}, make([]byte, 1<<20)
	places := map[place]int{}
	for seq := range uint64(100) {
		places[b.put(delayed{gw: gw, header: wire.Header{Seq: seq, Count: aheadSamples}, payload: payload})]++
	}
	if _, bytes := b.held(); bytes != mostWaiting || places[later] != mostWaiting>>20 || places[now] != 100-mostWaiting>>20 {
		t.Errorf("%d bytes wait; %v", bytes, places)
	}
}
