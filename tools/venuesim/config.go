package venuesim

import (
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

// WriteConfig writes the gateways' and the aggregator's configuration and the venue map into dir, for this
// venue's addresses and speed. It sets o.MaxLaneRate.
func (s *Sim) WriteConfig(dir string, o siteconfig.Options) (siteconfig.Files, error) {
	site := siteconfig.Site{Plan: s.plan}
	for _, d := range s.plan.Devices {
		site.Addresses = append(site.Addresses, s.Address(d.ID))
	}
	o.MaxLaneRate = LaneRate(s.options.Speed)
	return siteconfig.Write(dir, site, o)
}

// WriteConfig writes the files for a venue that is not running, whose ports are therefore fixed.
// It sets c.MaxLaneRate.
func WriteConfig(dir string, o Options, c siteconfig.Options) (siteconfig.Files, error) {
	o, err := o.withDefaults()
	if err != nil {
		return siteconfig.Files{}, err
	}
	plan, err := field.PlanOf(arena.Dallas(), o.plan())
	if err != nil {
		return siteconfig.Files{}, err
	}
	addresses := field.Addresses(plan, field.Options{Host: o.Host, ModbusPort: o.ModbusPort, OPCUAPort: o.OPCUAPort, TrackingPort: o.TrackingPort})
	c.MaxLaneRate = LaneRate(o.Speed)
	return siteconfig.Write(dir, siteconfig.Site{Plan: plan, Addresses: addresses}, c)
}
