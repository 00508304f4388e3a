package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

func genInstant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time { return timeOf(rapid.Int64().Draw(t, "unix")) })
}

func genRange() *rapid.Generator[Range] {
	return rapid.Custom(func(t *rapid.T) Range {
		from := rapid.Uint64Max(math.MaxUint64-1).Draw(t, "from")
		return Range{Epoch: gen16().Draw(t, "epoch"), Lane: genLane().Draw(t, "lane"), From: from, To: rapid.Uint64Min(from+1).Draw(t, "to")}
	})
}

func genAck() *rapid.Generator[Ack] {
	return rapid.Custom(func(t *rapid.T) Ack {
		a := Ack{Incarnation: genText().Draw(t, "incarnation"), CloudTime: genInstant().Draw(t, "cloud time"), Credit: rapid.Uint32().Draw(t, "credit"), Inventory: rapid.Uint64().Draw(t, "inventory")}
		for range rapid.IntRange(0, 40).Draw(t, "durable") {
			a.Durable = append(a.Durable, genRange().Draw(t, "range"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "tables") {
			a.Tables = append(a.Tables, gen16().Draw(t, "table"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "refused") {
			a.Refused = append(a.Refused, Refused{point.BatchID{Epoch: gen16().Draw(t, "epoch"), Lane: genLane().Draw(t, "lane"), Seq: rapid.Uint64().Draw(t, "seq")}, genText().Draw(t, "reason")})
		}
		return a
	})
}

func genInventory() *rapid.Generator[Inventory] {
	return rapid.Custom(func(t *rapid.T) Inventory {
		inv := Inventory{Number: rapid.Uint64().Draw(t, "number"), Session: genText().Draw(t, "session")}
		open := rapid.IntRange(0, 5).Draw(t, "open")
		for i := range rapid.IntRange(0, 5).Draw(t, "epochs") {
			e := EpochInventory{Epoch: gen16().Draw(t, "epoch"), Clean: rapid.Bool().Draw(t, "clean"), Open: i == open, Map: genMap().Draw(t, "map")}
			e.Epoch[0] = byte(i) // none twice
			if rapid.Bool().Draw(t, "has predecessor") {
				e.Predecessor = gen16().Draw(t, "predecessor")
				e.Predecessor[0] = 99
			}
			for lane := point.Telemetry; lane <= point.Critical; lane++ {
				if rapid.Bool().Draw(t, "lane") {
					e.Lanes = append(e.Lanes, genLaneInventory(lane).Draw(t, "lane inventory"))
				}
			}
			inv.Epochs = append(inv.Epochs, e)
		}
		for range rapid.IntRange(0, 3).Draw(t, "gaps") {
			g := genGap(0).Draw(t, "gap")
			g.Epoch[0] = 1 // not zero
			inv.Gaps = append(inv.Gaps, g)
		}
		return inv
	})
}

func genLaneInventory(lane point.Lane) *rapid.Generator[LaneInventory] {
	return rapid.Custom(func(t *rapid.T) LaneInventory {
		l := LaneInventory{Lane: lane}
		at := uint64(0)
		for range rapid.IntRange(0, 10).Draw(t, "pending") {
			p := PendingRange{From: at + rapid.Uint64Max(1<<40).Draw(t, "from"), First: genTime().Draw(t, "first")}
			p.To = p.From + rapid.Uint64Range(1, 1<<40).Draw(t, "len")
			p.Last = rapid.Int64Min(p.First).Draw(t, "last")
			l.Pending = append(l.Pending, p)
			at = p.To
		}
		l.Next = rapid.Uint64Min(at).Draw(t, "next")
		return l
	})
}

// TestControlRoundTrip: acks, inventories, commands and replies come back as they were.
func TestControlRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ack := genAck().Draw(t, "ack")
		if got, err := DecodeAck(EncodeAck(ack)); err != nil || !reflect.DeepEqual(got, ack) {
			t.Fatalf("%+v, %v; want %+v", got, err, ack)
		}
		inv := genInventory().Draw(t, "inventory")
		if got, err := DecodeInventory(EncodeInventory(inv)); err != nil || !reflect.DeepEqual(got, inv) {
			t.Fatalf("%+v, %v; want %+v", got, err, inv)
		}
		id := rapid.StringMatching(`[!-~]{1,64}`).Draw(t, "id")
		cmd := Command{ID: id, Expires: genInstant().Draw(t, "expires"), Kind: Rebirth}
		if rapid.Bool().Draw(t, "table wanted") {
			cmd.Kind, cmd.Table = TableWanted, gen16().Draw(t, "table")
		} else if rapid.Bool().Draw(t, "update") {
			cmd.Kind, cmd.Order = Update, UpdateOrder{rapid.StringN(0, 200, 1024).Draw(t, "url"), rapid.StringN(0, 16, 64).Draw(t, "version"), rapid.Bool().Draw(t, "force"), rapid.Bool().Draw(t, "reboot")}
		} else if rapid.Bool().Draw(t, "set aside") {
			cmd.Kind, cmd.Notice = SetAside, Notice{genText().Draw(t, "reason"), genText().Draw(t, "detail")}
		}
		if got, err := DecodeCommand(EncodeCommand(cmd)); err != nil || got != cmd {
			t.Fatalf("%+v, %v; want %+v", got, err, cmd)
		}
		reply := Reply{ID: id, Error: genText().Draw(t, "error")}
		if got, err := DecodeReply(EncodeReply(reply)); err != nil || got != reply {
			t.Fatalf("%+v, %v; want %+v", got, err, reply)
		}
	})
}

// TestSmallMessagesAreStored: an ack of a few ranges needs no compressor on either side and is a plain zstd frame all the same.
func TestSmallMessagesAreStored(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 511} {
		raw := bytes.Repeat([]byte{0x5A}, n)
		frame := storedFrame(raw)
		z, err := scanFrame(frame)
		if err != nil || z.size != len(frame) || z.content != uint64(n) {
			t.Fatalf("%d bytes: %+v, %v", n, z, err)
		}
		if got, ok := storedContent(frame, z); !ok || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes: stored as %x", n, got)
		}
		in, err := newInflater(1000)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.frame(nil, frame, n); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes: zstd reads %x, %v", n, got, err)
		}
		in.close()
	}
}

// TestEncodersMakeFit: an encoder of a control message has no error to return, so it leaves out or cuts what nobody would take.
func TestEncodersMakeFit(t *testing.T) {
	epoch := point.Epoch{1}
	var durable []Range
	for i := range uint64(MaxRanges + 10) {
		durable = append(durable, Range{Epoch: epoch, Lane: point.Telemetry, From: 2 * i, To: 2*i + i%2}) // every other one is empty
	}
	long := strings.Repeat("ä", MaxTextBytes)
	ack, err := DecodeAck(EncodeAck(Ack{Incarnation: "in\xffc", Durable: durable, Tables: make([]point.TableHash, MaxRanges+1),
		Refused: []Refused{{point.BatchID{Epoch: epoch, Lane: point.Critical}, "x" + long}}}))
	if err != nil {
		t.Fatal(err)
	}
	if len(ack.Durable) != (MaxRanges+10)/2 || len(ack.Tables) != MaxRanges || ack.Incarnation != "inc" || len(ack.Refused[0].Reason) != MaxTextBytes-1 {
		t.Errorf("%d ranges, %d tables, %q, a reason of %d bytes", len(ack.Durable), len(ack.Tables), ack.Incarnation, len(ack.Refused[0].Reason))
	}
	if r, err := DecodeReply(EncodeReply(Reply{ID: "1", Error: long + "\xff"})); err != nil || len(r.Error) != MaxTextBytes {
		t.Errorf("an error of %d bytes, %v", len(r.Error), err)
	}
}

// TestLargeInventoriesJoin: too many pending ranges become fewer that cover them, and no seq of them is lost.
func TestLargeInventoriesJoin(t *testing.T) {
	for _, n := range []int{MaxRanges, MaxRanges + 1, 3*MaxRanges + 7} {
		lane := LaneInventory{Lane: point.Telemetry, Next: uint64(10 * n)}
		for i := range uint64(n) {
			lane.Pending = append(lane.Pending, PendingRange{From: 10 * i, To: 10*i + 3, First: int64(i), Last: int64(2 * i)})
		}
		inv, err := DecodeInventory(EncodeInventory(Inventory{Epochs: []EpochInventory{{Epoch: point.Epoch{1}, Open: true, Lanes: []LaneInventory{lane}}}}))
		if err != nil {
			t.Fatalf("%d ranges: %v", n, err)
		}
		got := inv.Epochs[0].Lanes[0].Pending
		if len(got) > MaxRanges || (n <= MaxRanges) != (len(got) == n) {
			t.Fatalf("%d ranges become %d", n, len(got))
		}
		k := 0
		for _, p := range lane.Pending {
			for got[k].To < p.To {
				k++
			}
			if p.From < got[k].From || p.First < got[k].First || p.Last > got[k].Last {
				t.Fatalf("%d ranges: %+v is not in %+v", n, p, got[k])
			}
		}
	}
	var epochs []EpochInventory
	for i := range MaxEpochs + 5 {
		epochs = append(epochs, EpochInventory{Epoch: point.Epoch{1, byte(i >> 8), byte(i)}})
	}
	inv, err := DecodeInventory(EncodeInventory(Inventory{Epochs: epochs}))
	if err != nil || len(inv.Epochs) != MaxEpochs || inv.Epochs[MaxEpochs-1].Epoch != epochs[MaxEpochs+4].Epoch {
		t.Errorf("%d epochs, %v", len(inv.Epochs), err)
	}
}

// controlDecoders are the decoders that one payload after the other may be given to.
func controlDecoders() map[string]func([]byte) error {
	return map[string]func([]byte) error{
		"ack":       func(b []byte) error { _, err := DecodeAck(b); return err },
		"inventory": func(b []byte) error { _, err := DecodeInventory(b); return err },
		"command":   func(b []byte) error { _, err := DecodeCommand(b); return err },
		"reply":     func(b []byte) error { _, err := DecodeReply(b); return err },
	}
}

// TestControlRefusesBytes: what is no message of the contract is refused by each decoder under its own reason.
func TestControlRefusesBytes(t *testing.T) {
	ack := EncodeAck(Ack{Durable: []Range{{Epoch: point.Epoch{1}, Lane: point.Critical, To: 5}}, Incarnation: strings.Repeat("incarnation", 90)})
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{
		"nothing":          {nil, ErrTruncated},
		"half":             {ack[:len(ack)/2], ErrTruncated},
		"text":             {[]byte("hello, world"), ErrCompression},
		"a batch":          {sealed(t, oneOfEach(), batchOf()), ErrCompression},
		"bytes behind":     {append(bytes.Clone(ack), 0), ErrCompression},
		"not protobuf":     {storedFrame([]byte("hello, world")), ErrMalformed},
		"a bomb":           {zeros(t, 64<<20, true), ErrBomb},
		"a silent bomb":    {zeros(t, 64<<20, false), ErrCompression},
		"two megabytes":    {make([]byte, 2<<20), ErrTooLarge},
		"a lie about size": {[]byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 9, 1 | 2<<3, 0, 0, 1, 2}, ErrCompression},
	} {
		for kind, decode := range controlDecoders() {
			if err := decode(c.payload); !errors.Is(err, c.want) || Reason(err) != Reason(c.want) {
				t.Errorf("%s as %s: refused as %q (%v), want %q", name, kind, Reason(err), err, Reason(c.want))
			}
		}
	}
}

// payloadOf returns the payload of any message of the contract.
func payloadOf(m proto.Message) []byte { return encodeControl(m) }

// TestControlRefusesMessages: well-formed messages that say what cannot be.
func TestControlRefusesMessages(t *testing.T) {
	e, none := bytes.Repeat([]byte{1}, 16), make([]byte, 16)
	durable := func(r *contract.Range) proto.Message { return &contract.Ack{Durable: []*contract.Range{r}} }
	epoch := func(e *contract.EpochInventory) proto.Message {
		return &contract.Inventory{Epochs: []*contract.EpochInventory{e}}
	}
	gap := func(change func(*contract.Gap)) proto.Message {
		g := &contract.Gap{Epoch: make([]byte, 16), Lane: contract.Lane_LANE_TELEMETRY, To: 1, Reason: contract.GapReason_GAP_REASON_DROPPED}
		g.Epoch[0] = 1
		change(g)
		return &contract.Inventory{Gaps: []*contract.Gap{g}}
	}
	lane := func(l ...*contract.LaneInventory) proto.Message {
		return epoch(&contract.EpochInventory{Epoch: e, Lanes: l})
	}
	pending := func(p ...*contract.PendingRange) proto.Message {
		return lane(&contract.LaneInventory{Lane: 1, Next: 100, Pending: p})
	}
	for name, c := range map[string]struct {
		message proto.Message
		want    error
	}{
		"ack: a range that is empty":        {durable(&contract.Range{Epoch: e, Lane: 1, From: 5, To: 5}), ErrInvalid},
		"ack: a range that ends early":      {durable(&contract.Range{Epoch: e, Lane: 1, From: 5, To: 4}), ErrInvalid},
		"ack: a range of no lane":           {durable(&contract.Range{Epoch: e, To: 4}), ErrInvalid},
		"ack: a range of lane 257":          {durable(&contract.Range{Epoch: e, Lane: 257, To: 4}), ErrInvalid},
		"ack: a range of lane -1":           {durable(&contract.Range{Epoch: e, Lane: -1, To: 4}), ErrInvalid},
		"ack: a range of no epoch":          {durable(&contract.Range{Lane: 1, To: 4}), ErrInvalid},
		"ack: a range of epoch zero":        {durable(&contract.Range{Epoch: none, Lane: 1, To: 4}), ErrInvalid},
		"ack: a range of a long epoch":      {durable(&contract.Range{Epoch: append(e, 1), Lane: 1, To: 4}), ErrInvalid},
		"ack: a table hash of 3 bytes":      {&contract.Ack{Tables: [][]byte{[]byte("abc")}}, ErrInvalid},
		"ack: a refusal of no lane":         {&contract.Ack{Refused: []*contract.Refused{{Epoch: e}}}, ErrInvalid},
		"ack: a refusal of no epoch":        {&contract.Ack{Refused: []*contract.Refused{{Lane: 1}}}, ErrInvalid},
		"ack: a reason of 5,000 bytes":      {&contract.Ack{Refused: []*contract.Refused{{Epoch: e, Lane: 1, Reason: strings.Repeat("x", 5000)}}}, ErrTooLarge},
		"ack: an incarnation of 5,000":      {&contract.Ack{Incarnation: strings.Repeat("x", 5000)}, ErrTooLarge},
		"ack: too many ranges":              {&contract.Ack{Durable: make([]*contract.Range, MaxRanges+1)}, ErrTooLarge},
		"ack: too many tables":              {&contract.Ack{Tables: make([][]byte, MaxRanges+1)}, ErrTooLarge},
		"ack: too many refusals":            {&contract.Ack{Refused: make([]*contract.Refused, MaxRanges+1)}, ErrTooLarge},
		"inventory: no epoch":               {epoch(&contract.EpochInventory{}), ErrInvalid},
		"inventory: its own predecessor":    {epoch(&contract.EpochInventory{Epoch: e, Predecessor: e}), ErrInvalid},
		"inventory: a predecessor of zero":  {epoch(&contract.EpochInventory{Epoch: e, Predecessor: none}), ErrInvalid},
		"inventory: an epoch twice":         {&contract.Inventory{Epochs: []*contract.EpochInventory{{Epoch: e}, {Epoch: e}}}, ErrInvalid},
		"inventory: two open epochs":        {&contract.Inventory{Epochs: []*contract.EpochInventory{{Epoch: e, Open: true}, {Epoch: append([]byte{9}, e[1:]...), Open: true}}}, ErrInvalid},
		"inventory: a boot id of 3 bytes":   {epoch(&contract.EpochInventory{Epoch: e, TimeMap: &contract.TimeMap{BootId: []byte("abc")}}), ErrInvalid},
		"inventory: an unknown time source": {epoch(&contract.EpochInventory{Epoch: e, TimeMap: &contract.TimeMap{Source: 9}}), ErrInvalid},
		"inventory: a map before its boot":  {epoch(&contract.EpochInventory{Epoch: e, TimeMap: &contract.TimeMap{FromMono: -1}}), ErrInvalid},
		"inventory: endless uncertainty":    {epoch(&contract.EpochInventory{Epoch: e, TimeMap: &contract.TimeMap{UncertaintyNs: 1 << 63}}), ErrInvalid},
		"inventory: lane 0":                 {lane(&contract.LaneInventory{}), ErrInvalid},
		"inventory: a lane twice":           {lane(&contract.LaneInventory{Lane: 1}, &contract.LaneInventory{Lane: 1}), ErrInvalid},
		"inventory: an empty range":         {pending(&contract.PendingRange{From: 3, To: 3}), ErrInvalid},
		"inventory: a range beyond next":    {pending(&contract.PendingRange{From: 3, To: 101}), ErrInvalid},
		"inventory: ranges that overlap":    {pending(&contract.PendingRange{From: 3, To: 9}, &contract.PendingRange{From: 8, To: 20}), ErrInvalid},
		"inventory: ranges out of order":    {pending(&contract.PendingRange{From: 30, To: 90}, &contract.PendingRange{From: 8, To: 20}), ErrInvalid},
		"inventory: times that run back":    {pending(&contract.PendingRange{From: 3, To: 9, FirstMono: 5, LastMono: 4}), ErrInvalid},
		"inventory: times below zero":       {pending(&contract.PendingRange{From: 3, To: 9, FirstMono: -5}), ErrInvalid},
		"inventory: a session of 5,000":     {&contract.Inventory{Session: strings.Repeat("x", 5000)}, ErrTooLarge},
		"inventory: too many epochs":        {&contract.Inventory{Epochs: make([]*contract.EpochInventory, MaxEpochs+1)}, ErrTooLarge},
		"inventory: too many lanes":         {lane(make([]*contract.LaneInventory, 2*MaxEpochs+1)...), ErrTooLarge},
		"inventory: too many ranges":        {pending(make([]*contract.PendingRange, MaxRanges+1)...), ErrTooLarge},
		"inventory: a gap of no epoch":      {gap(func(g *contract.Gap) { g.Epoch = nil }), ErrInvalid},
		"inventory: a gap of no lane":       {gap(func(g *contract.Gap) { g.Lane = 0 }), ErrInvalid},
		"inventory: a gap of one point":     {gap(func(g *contract.Gap) { g.Point = new(uint32) }), ErrInvalid},
		"inventory: a gap that ends early":  {gap(func(g *contract.Gap) { g.From = 1 }), ErrInvalid},
		"inventory: a gap without reason":   {gap(func(g *contract.Gap) { g.Reason = 0 }), ErrInvalid},
		"inventory: a gap of reason 263":    {gap(func(g *contract.Gap) { g.Reason = 263 }), ErrInvalid},
		"inventory: a gap's boot of 3 B":    {gap(func(g *contract.Gap) { g.BootId = []byte("abc") }), ErrInvalid},
		"inventory: too many gaps":          {&contract.Inventory{Gaps: make([]*contract.Gap, MaxNotes+1)}, ErrTooLarge},
		"command: no id":                    {&contract.Command{Kind: 2}, ErrInvalid},
		"command: an id with a line break":  {&contract.Command{Id: "a\nb", Kind: 2}, ErrInvalid},
		"command: an id of 65 bytes":        {&contract.Command{Id: strings.Repeat("x", 65), Kind: 2}, ErrInvalid},
		"command: no kind":                  {&contract.Command{Id: "a"}, ErrInvalid},
		"command: kind 5":                   {&contract.Command{Id: "a", Kind: 5}, ErrInvalid},
		"command: a detail too long":        {&contract.Command{Id: "a", Kind: 4, Detail: strings.Repeat("x", 5000)}, ErrTooLarge},
		"command: an address too long":      {&contract.Command{Id: "a", Kind: 3, Url: strings.Repeat("x", 1025)}, ErrTooLarge},
		"command: a version too long":       {&contract.Command{Id: "a", Kind: 3, Version: strings.Repeat("1", 65)}, ErrTooLarge},
		"command: a table without hash":     {&contract.Command{Id: "a", Kind: 1}, ErrInvalid},
		"reply: no id":                      {&contract.Reply{}, ErrInvalid},
		"reply: an error of 5,000 bytes":    {&contract.Reply{Id: "a", Error: strings.Repeat("x", 5000)}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, ":")
			if err := controlDecoders()[kind](payloadOf(c.message)); !errors.Is(err, c.want) || Reason(err) != Reason(c.want) {
				t.Errorf("refused as %q (%v), want %q", Reason(err), err, Reason(c.want))
			}
		})
	}
}

// TestUnknownCommandHasItsID: an old gateway can answer what it does not understand.
func TestUnknownCommandHasItsID(t *testing.T) {
	c, err := DecodeCommand(payloadOf(&contract.Command{Id: "later", Kind: 77}))
	if err == nil || c.ID != "later" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestControlFromLaterVersion: fields that this version does not know are skipped, wherever they stand.
func TestControlFromLaterVersion(t *testing.T) {
	raw, err := proto.Marshal(&contract.Ack{Credit: 5, Durable: []*contract.Range{{Epoch: bytes.Repeat([]byte{1}, 16), Lane: 1, To: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, appendString(nil, 1000, "later")...)
	raw = protowire.AppendVarint(protowire.AppendTag(raw, 2, protowire.VarintType), 7) // a known number of another type
	got, err := DecodeAck(storedFrame(raw))
	want := Ack{Credit: 5, Durable: []Range{{Epoch: point.Epoch(bytes.Repeat([]byte{1}, 16)), Lane: 1, To: 9}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestMapsMayBeAbsent: an epoch whose boot nothing has dated carries no map.
func TestMapsMayBeAbsent(t *testing.T) {
	m, err := mapOf(nil)
	if err != nil || m != (clock.Map{}) {
		t.Errorf("%+v, %v", m, err)
	}
	if got := fmt.Sprint(TableWanted, Rebirth, Update, SetAside, CommandKind(9)); got != "table-wanted rebirth update set-aside command(9)" {
		t.Errorf("commands are called %s", got)
	}
}
