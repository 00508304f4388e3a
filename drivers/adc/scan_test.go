package adc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestScanFindsChipsAndWritesNothing(t *testing.T) {
	b := newFakeBus(0x48, 0x4b, 0x20)
	found, err := scan(context.Background(), b, "i2c-1")
	if err != nil || !slices.Equal(found, []int{0x20, 0x48, 0x4b}) {
		t.Errorf("found %#x, %v", found, err)
	}
	for at, c := range b.chips {
		if c.config != 0x8583 {
			t.Errorf("the settings of the chip at %#x are %#x now", at, c.config)
		}
	}
}

func TestScanRefusals(t *testing.T) {
	for name, want := range map[string]string{"": "bus is missing", "usb-1": "not a bus", "spi0": "cannot be searched"} {
		if _, err := scan(context.Background(), newFakeBus(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	denied := newFakeBus(0x48)
	denied.denied = true
	if _, err := scan(context.Background(), denied, "i2c-1"); err == nil {
		t.Error("a bus that is forbidden is searched")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := scan(ctx, newFakeBus(0x48), "i2c-1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a search that was given up: %v", err)
	}
}
