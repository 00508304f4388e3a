package driverstest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
)

// harness is the fake as the suite sees it. It is its own driver, so a test has one device.
type harness struct {
	subscribe bool
	current   *driverstest.Fake
}

func (h *harness) Driver() drivers.Driver { return h.current }

func (h *harness) Start(_ testing.TB, points int) driverstest.Device {
	h.current = driverstest.NewFake(points)
	return &device{Fake: h.current, points: points, subscribe: h.subscribe}
}

type device struct {
	*driverstest.Fake
	points    int
	subscribe bool
}

func (d *device) Options(timeout time.Duration) string {
	return fmt.Sprintf("timeout: %v\nsubscribe: %v", timeout, d.subscribe)
}

func (d *device) Sources() []driverstest.Source {
	half := d.points / 2
	return []driverstest.Source{{Options: "slot: 0", Points: half}, {Options: fmt.Sprintf("slot: %d", half), Points: d.points - half}}
}

func (d *device) Set(values []uint16) {
	wide := make([]uint64, len(values))
	for i, v := range values {
		wide[i] = uint64(v)
	}
	d.Fake.Set(0, wide...)
}

func TestFakePasses(t *testing.T) { driverstest.Run(t, &harness{}) }

func TestSubscribingFakePasses(t *testing.T) { driverstest.Run(t, &harness{subscribe: true}) }
