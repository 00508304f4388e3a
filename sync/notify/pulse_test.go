package notify

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAPulseTellsRestFromStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		look := func(want bool, when string) {
			t.Helper()
			if err := p.Stuck("the loop", 45*time.Second); (err != nil) != want {
				t.Errorf("%s: stuck %v, want %t", when, err, want)
			}
		}
		look(false, "before it begins")
		p.Work()
		time.Sleep(time.Hour)
		look(false, "at the first look")
		time.Sleep(45 * time.Second)
		look(false, "at the end of the patience")
		time.Sleep(time.Second)
		look(true, "after it")
		p.Work()
		look(false, "a step later")
		time.Sleep(time.Minute)
		look(true, "at one step again")
		p.Rest()
		time.Sleep(time.Hour)
		look(false, "at rest")
		time.Sleep(time.Hour)
		look(false, "at rest for long")
		p.Work()
		look(false, "back at work")
		for range 10 { // a long piece of work of many steps
			time.Sleep(44 * time.Second)
			p.Work()
			look(false, "step by step")
		}
	})
}
