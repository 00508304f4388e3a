package segment

import (
	"encoding/binary"
	"os"
	"path/filepath"
)

// watermarkName is the file that remembers how far the last Sync reached. It is written after each
// and never synced itself: it may lag, it never leads. It lets a start tell what was lost from
// what was never promised.
const watermarkName = "watermark"

const watermarkSlot = 32 // two of them, written in turn, so that a torn write leaves the other

// watermark writes the file. It is not safe for concurrent use.
type watermark struct {
	f    *os.File
	turn int64
}

func openWatermark(dir string) (*watermark, uint64, error) {
	f, err := os.OpenFile(filepath.Join(dir, watermarkName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	var b [2 * watermarkSlot]byte
	_, _ = f.ReadAt(b[:], 0) // what cannot be read has no valid slot
	w, best := &watermark{f: f}, uint64(0)
	for slot := range int64(2) {
		if v, ok := decodeWatermark(b[slot*watermarkSlot:][:watermarkSlot]); ok && v >= best {
			best, w.turn = v, 1-slot
		}
	}
	return w, best, nil
}

func decodeWatermark(b []byte) (uint64, bool) {
	v := binary.LittleEndian.Uint64(b)
	return v, castagnoli(b[:8]) == binary.LittleEndian.Uint32(b[8:]) && b[12] == 'W'
}

// set notes v. A failure is of no consequence: the file lags.
func (w *watermark) set(v uint64) {
	var b [watermarkSlot]byte
	binary.LittleEndian.PutUint64(b[:], v)
	binary.LittleEndian.PutUint32(b[8:], castagnoli(b[:8]))
	b[12] = 'W'
	_, _ = w.f.WriteAt(b[:], w.turn*watermarkSlot)
	w.turn = 1 - w.turn
}

func (w *watermark) close() error { return w.f.Close() }
