package spool

import (
	"encoding/binary"

	"github.com/courtside-edge/courtside/sync/point"
)

// firstNumber returns where an opening's inventories begin to count. Each opening begins elsewhere, because an answer to an inventory of
// an earlier one may still be on its way: taken for an answer to this one's, it would settle epochs of whose
// end the cloud was never told. The top bit is left for counting on.
func firstNumber(e point.Epoch) uint64 { return binary.BigEndian.Uint64(e[:8]) >> 1 }
