package field

import (
	"testing"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

func pollsOf(entries ...Entry) *polls {
	return newPolls(Device{ID: "plc", Protocol: Modbus, Entries: entries})
}

func TestPollIsCompleteWhenEveryListedRegisterWasRead(t *testing.T) {
	p := pollsOf(Entry{Table: Holding, Address: 0, Count: 3}, Entry{Table: Holding, Address: 5, Count: 2})
	for _, step := range []struct{ address, n, want int }{
		{0, 2, 0}, {0, 2, 0}, {5, 2, 0}, // 2 is missing
		{2, 1, 1},                       // complete
		{5, 2, 1}, {0, 5, 2}, {0, 7, 3}, // in any order, and at once; 3 and 4 are not listed
	} {
		if p.read(step.address, step.n); p.count() != step.want {
			t.Fatalf("after reading %d+%d: %d complete polls, want %d", step.address, step.n, p.count(), step.want)
		}
	}
}

func TestRestartForgetsAPollUnderWay(t *testing.T) {
	p := pollsOf(Entry{Table: Holding, Address: 0, Count: 4})
	p.read(0, 4)
	p.read(0, 3)
	p.restart()
	if p.count() != 0 {
		t.Fatalf("%d polls after a restart", p.count())
	}
	if p.read(3, 1); p.count() != 0 {
		t.Fatal("a poll that began before the restart was counted")
	}
	if p.read(0, 3); p.count() != 1 {
		t.Fatalf("%d polls, want the one since the restart", p.count())
	}
}

func TestOnlyAnswersCountAsPolls(t *testing.T) {
	d := Device{ID: "plc", Protocol: Modbus, Entries: []Entry{{Table: Input, Address: 0, Count: 2}}}
	w := watched{modbusserver.NewRegisters(map[uint8]modbusserver.Size{Unit: {Holding: 2, Input: 2}}), newPolls(d)}
	into := make([]uint16, 2)
	if err := w.ReadWords(Unit, modbusserver.Input, 1, into); err != modbusserver.IllegalAddress {
		t.Fatalf("reading past the end: %v", err)
	}
	if err := w.ReadWords(Unit, modbusserver.Holding, 0, into); err != nil || w.polls.count() != 0 {
		t.Fatalf("another table counts as a poll: %d, %v", w.polls.count(), err)
	}
	if err := w.ReadWords(Unit, modbusserver.Input, 0, into); err != nil || w.polls.count() != 1 {
		t.Fatalf("%d polls, %v", w.polls.count(), err)
	}
}
