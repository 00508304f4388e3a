package channel

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// symmetric returns both ends' protection with the keys of one exchange.
func symmetric(t testing.TB, encrypt bool) (ours, theirs protection) {
	t.Helper()
	a, b := make([]byte, 32), make([]byte, 32)
	rand.Read(a)
	rand.Read(b)
	mine, err := uapolicy.Symmetric(ua.SecurityPolicyURIBasic256Sha256, a, b)
	if err != nil {
		t.Fatal(err)
	}
	yours, err := uapolicy.Symmetric(ua.SecurityPolicyURIBasic256Sha256, b, a)
	if err != nil {
		t.Fatal(err)
	}
	return protection{mine, true, encrypt}, protection{yours, true, encrypt}
}

// chunkOf returns a MSG chunk of channel 1, token 2.
func chunkOf(t testing.TB, p protection, part byte, seq, id uint32, body []byte) []byte {
	t.Helper()
	header := append([]byte("MSG"), part, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0)
	plain := binary.LittleEndian.AppendUint32(nil, seq)
	plain = binary.LittleEndian.AppendUint32(plain, id)
	chunk, err := p.seal(header, append(plain, body...))
	if err != nil {
		t.Fatal(err)
	}
	return chunk
}

// readerOf returns the reading end of a channel that waits for the answers to requests 1 to 9.
func readerOf(p protection, secure bool) (*reader, chan Answer) {
	out := make(chan Answer, 100)
	c := &Channel{pending: make(map[uint32]chan<- Answer), lost: make(chan struct{}), id: 1, asym: protection{algo: p.algo, sign: secure}}
	c.current = token{id: 2, prot: p, valid: true}
	for id := range uint32(10) {
		c.pending[id] = out
	}
	return &reader{Channel: c}, out
}

func TestSealAndOpenEverySize(t *testing.T) {
	for _, encrypt := range []bool{false, true} {
		ours, theirs := symmetric(t, encrypt)
		most := ours.maxBody(bufferSize)
		for _, n := range []int{0, 1, 2, 7, 8, 15, 16, 17, 100, most - 17, most - 16, most - 1, most} {
			body := make([]byte, n)
			rand.Read(body)
			chunk := chunkOf(t, ours, 'F', 1, 5, body)
			if len(chunk) > bufferSize || int(binary.LittleEndian.Uint32(chunk[4:])) != len(chunk) {
				t.Fatalf("a body of %d bytes made a chunk of %d, which says %d", n, len(chunk), binary.LittleEndian.Uint32(chunk[4:]))
			}
			r, out := readerOf(theirs, true)
			if err := r.take(chunk); err != nil {
				t.Fatalf("a body of %d bytes: %v", n, err)
			}
			if a := <-out; a.ID != 5 || string(a.Body) != string(body) {
				t.Errorf("a body of %d bytes came as %d", n, len(a.Body))
			}
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	ours, theirs := symmetric(t, true)
	_, strangers := symmetric(t, true)
	fresh := func() *reader { r, _ := readerOf(theirs, true); return r }
	good := chunkOf(t, ours, 'F', 1, 5, []byte("body"))
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if i == 3 && bad[3] != 'F' { // 'F'^1 is 'G'
			continue
		}
		if i >= 4 && i < 8 {
			continue // the size is how much was read
		}
		if err := fresh().take(bad); err == nil {
			t.Errorf("a chunk with byte %d changed was taken", i)
		}
	}
	for n := range good {
		if err := fresh().take(good[:max(n, prefixSize)]); err == nil {
			t.Errorf("a chunk of %d bytes was taken", n)
		}
	}
	r := fresh()
	if err := r.take(good); err != nil {
		t.Fatal(err)
	}
	if err := r.take(good); err == nil {
		t.Error("a chunk was taken twice")
	}
	if err := r.take(chunkOf(t, ours, 'F', 3, 6, nil)); err == nil {
		t.Error("a hole in the sequence was accepted")
	}
	if err := fresh().take(chunkOf(t, strangers, 'F', 1, 5, nil)); err == nil {
		t.Error("a chunk under other keys was taken")
	}
}

func TestChunksAreAssembled(t *testing.T) {
	none := protection{}
	r, out := readerOf(none, false)
	for i, part := range []string{"one ", "two ", "three"} {
		kind := byte('C')
		if i == 2 {
			kind = 'F'
		}
		if err := r.take(chunkOf(t, none, kind, uint32(i+1), 5, []byte(part))); err != nil {
			t.Fatal(err)
		}
	}
	if a := <-out; string(a.Body) != "one two three" {
		t.Errorf("the message is %q", a.Body)
	}
	abort := append(binary.LittleEndian.AppendUint32(nil, uint32(ua.StatusBadResponseTooLarge)), 4, 0, 0, 0, 'l', 'o', 'n', 'g')
	if err := r.take(chunkOf(t, none, 'C', 4, 6, []byte("begun"))); err != nil {
		t.Fatal(err)
	}
	if err := r.take(chunkOf(t, none, 'A', 5, 6, abort)); err != nil {
		t.Fatal(err)
	}
	if a := <-out; a.ID != 6 || a.Err == nil {
		t.Errorf("an aborted message is %+v", a)
	}
	big := make([]byte, 60_000)
	var err error
	for i := 0; err == nil; i++ {
		if i > maxMessageBytes/len(big)+1 {
			t.Fatal("a message without end was taken")
		}
		err = r.take(chunkOf(t, none, 'C', uint32(6+i), 7, big))
	}
}

// Whatever comes on the wire, the reader neither panics nor gives an answer to a request that nobody made.
func FuzzReader(f *testing.F) {
	ours, theirs := symmetric(f, true)
	f.Add(chunkOf(f, protection{}, 'F', 1, 5, []byte("body")), false)
	f.Add(chunkOf(f, ours, 'F', 1, 5, []byte("body")), true)
	f.Add([]byte("ERRF\x10\x00\x00\x00\x00\x00\x83\x80\xff\xff\xff\xff"), false)
	f.Add([]byte("OPNF\x10\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\x7f"), false)
	f.Add([]byte("CLOF\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, chunk []byte, secure bool) {
		if len(chunk) < prefixSize {
			return // readChunk lets no less through
		}
		p := protection{}
		if secure {
			p = theirs
		}
		r, out := readerOf(p, secure)
		_ = r.take(chunk)
		close(out)
		for a := range out {
			if a.ID > 9 {
				t.Errorf("an answer to request %d", a.ID)
			}
		}
	})
}
