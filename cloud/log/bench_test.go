package log_test

import (
	"fmt"
	"testing"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/log/logtest"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 32 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, err := log.Open(b.TempDir(), log.Options{MinFree: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			r := logtest.Make(0, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := l.Append(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
