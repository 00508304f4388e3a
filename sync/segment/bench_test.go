package segment

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 32 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, b.TempDir(), Options{SegmentBytes: 64 << 20, MinFree: -1})
			record := body(0, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				mustAppend(b, s, record)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for name, cache := range map[string]int64{"cache": 1 << 20, "badger": -1} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir(), Options{CacheBytes: cache, MinFree: -1})
			for i := range 20 {
				mustAppend(b, s, body(uint64(i), 32<<10))
			}
			b.SetBytes(32 << 10)
			for b.Loop() {
				if _, err := s.Get(19); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
