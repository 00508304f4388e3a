package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sort"

	"github.com/courtside-edge/courtside/sync/point"
)

const (
	pagePrefix  = "page/"
	pageVersion = 1
	// maxSpans bounds the pieces of one page, so that its record stays small: about 300 bytes.
	maxSpans = 64
	// maxPages is how many pages of a lane there may be before neighbours become one.
	maxPages = 1024
	// maxPageState bounds the bytes of a store's small state that pages may take. One beyond it has no record; its
	// batches are read at the next opening.
	maxPageState = 128 << 10
	// maxPageSamples and maxPageBytes bound what a damaged record may claim.
	maxPageSamples = 1 << 48
	maxPageBytes   = 1 << 50
)

// page is a stretch of stored batches of one epoch, lane and table of which no more is kept than this: about 150 bytes for
// thousands of them. Its record in the store's state spares the next opening to read them.
type page struct {
	epoch       point.Epoch
	hash        point.TableHash
	spans       []span // ascending by seq and by offset; not empty
	made        figures
	first, last int64 // times that they cover; 0 when none of them has samples

	table *table
	here  uint64  // of its batches, how many are held
	cold  figures // of those, the ones without an entry; sizes and samples are exact in sum as long as what left had been read
	saved int     // bytes of its record; 0 for none
}

// figures are sums over batches.
type figures struct {
	batches        uint64
	bytes, samples int64
}

// span is n batches with dense numbers at dense offsets.
type span struct{ seq, offset, n uint64 }

func (p *page) key() string { return fmt.Sprintf("%s%016x", pagePrefix, p.spans[0].offset) }

func (p *page) from() uint64 { return p.spans[0].seq }

func (p *page) to() uint64 { s := p.spans[len(p.spans)-1]; return s.seq + s.n }

// offset returns where the batch of that seq lies, and whether the page has it.
func (p *page) offset(seq uint64) (uint64, bool) {
	i := sort.Search(len(p.spans), func(i int) bool { return p.spans[i].seq+p.spans[i].n > seq })
	if i == len(p.spans) || p.spans[i].seq > seq {
		return 0, false
	}
	return p.spans[i].offset + seq - p.spans[i].seq, true
}

// add appends a batch, which must lie behind all others, and reports whether there was room.
func (p *page) add(seq, offset uint64) bool {
	if n := len(p.spans); n > 0 {
		s := &p.spans[n-1]
		if s.seq+s.n == seq && s.offset+s.n == offset {
			s.n++
			return true
		}
		if n == maxSpans {
			return false
		}
	}
	p.spans = append(p.spans, span{seq, offset, 1})
	return true
}

// untouched reports whether every batch that the page was made of is in it still, without a hole between: then its sums are exact and
// name one range.
func (p *page) untouched() bool {
	return len(p.spans) == 1 && p.spans[0].n == p.made.batches && p.cold.batches == p.made.batches
}

func (f *figures) add(e *entry) { f.batches++; f.bytes += int64(e.size); f.samples += int64(e.count) }

// encode returns the page's record: version; epoch; table; batches, bytes, samples, first, how much later last is, spans, each
// uvarint; for each span how far it lies behind the one before in seqs and in offsets, and its length; CRC32C, little-endian.
func (p *page) encode() []byte {
	b := append(make([]byte, 0, 128), pageVersion)
	b = append(b, p.epoch[:]...)
	b = append(b, p.hash[:]...)
	for _, v := range []uint64{p.made.batches, uint64(p.made.bytes), uint64(p.made.samples), uint64(p.first), uint64(p.last - p.first), uint64(len(p.spans))} {
		b = binary.AppendUvarint(b, v)
	}
	var seq, offset uint64
	for _, s := range p.spans {
		b = binary.AppendUvarint(b, s.seq-seq)
		b = binary.AppendUvarint(b, s.offset-offset)
		b = binary.AppendUvarint(b, s.n)
		seq, offset = s.seq+s.n, s.offset+s.n
	}
	return binary.LittleEndian.AppendUint32(b, pageSum(b))
}

func pageSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

var errPage = errors.New("the record of a page is not as written")

// decodePage reads a record. What it returns is consistent in itself; whether the store holds it is another question.
func decodePage(b []byte) (*page, error) {
	const head = 1 + 16 + 16
	if len(b) < head+4 || b[0] != pageVersion || pageSum(b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, errPage
	}
	p := &page{saved: len(b)}
	copy(p.epoch[:], b[1:])
	copy(p.hash[:], b[17:])
	r := reader{b: b[head : len(b)-4]}
	p.made = figures{r.next(math.MaxUint32), int64(r.next(maxPageBytes)), int64(r.next(maxPageSamples))}
	p.first = int64(r.next(math.MaxInt64))
	p.last = p.first + int64(r.next(uint64(math.MaxInt64-p.first)))
	n, batches := r.next(maxSpans), uint64(0)
	var seq, offset uint64
	for range n {
		s := span{seq: seq + r.next(math.MaxUint64-seq), offset: offset + r.next(math.MaxUint64-offset)}
		s.n = r.next(min(math.MaxUint32, math.MaxUint64-1-max(s.seq, s.offset)))
		if s.n == 0 {
			return nil, errPage
		}
		seq, offset, batches = s.seq+s.n, s.offset+s.n, batches+s.n
		p.spans = append(p.spans, s)
	}
	if r.bad || len(r.b) > 0 || n == 0 || p.made.batches == 0 || p.made.batches > batches || p.made.bytes == 0 {
		return nil, errPage
	}
	return p, nil
}

// reader reads bounded numbers.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) next(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}
