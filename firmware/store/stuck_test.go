package store

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

const patience = 45 * time.Second

// Idle and busy loops move; a disk that takes nothing for longer than the patience is as dead as a loop.
func TestADiskThatHangsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		for i := range 20 {
			r.add(point.Critical, uint64(i))
			time.Sleep(patience)
			if err := r.k.Stuck(patience); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if err := r.k.Stuck(patience); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 2*time.Minute)
		r.add(point.Critical, 1)
		time.Sleep(time.Second)
		var seen []bool
		for range 5 {
			seen = append(seen, r.k.Stuck(patience) != nil)
			time.Sleep(30 * time.Second)
		}
		if want := []bool{false, false, true, true, false}; !slices.Equal(seen, want) {
			t.Errorf("stuck at the looks of half a minute: %v, want %v", seen, want)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
