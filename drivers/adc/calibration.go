package adc

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Limits of a calibration; beyond, it is a measurement that belongs into a table of its own.
const (
	maxCalibrationPoints = 64
	maxCoefficients      = 8
)

// calibration turns volts into the sensor's value. The zero value leaves volts as they are.
type calibration struct {
	points     [][2]float64 // volts ascending, and values
	polynomial []float64    // by rising power
}

// newCalibration returns a calibration of one of the two forms, or of none.
func newCalibration(points [][]float64, polynomial []float64) (calibration, error) {
	switch {
	case len(points) > 0 && len(polynomial) > 0:
		return calibration{}, errors.New("both points and polynomial are given; keep one")
	case len(polynomial) > maxCoefficients:
		return calibration{}, fmt.Errorf("%d coefficients, at most %d are allowed", len(polynomial), maxCoefficients)
	case len(points) == 0:
		return calibration{polynomial: polynomial}, nil
	case len(points) == 1 || len(points) > maxCalibrationPoints:
		return calibration{}, fmt.Errorf("%d points; give 2 to %d, each [volts, value]", len(points), maxCalibrationPoints)
	}
	var c calibration
	for _, p := range points {
		if len(p) != 2 {
			return calibration{}, fmt.Errorf("%v is not a point; write [volts, value]", p)
		}
		c.points = append(c.points, [2]float64{p[0], p[1]})
	}
	slices.SortFunc(c.points, func(a, b [2]float64) int {
		if a[0] < b[0] {
			return -1
		}
		return 1
	})
	for i := 1; i < len(c.points); i++ {
		if c.points[i][0] == c.points[i-1][0] {
			return calibration{}, fmt.Errorf("two points at %g V; give each voltage once", c.points[i][0])
		}
	}
	return c, nil
}

// given reports whether there is a calibration.
func (c *calibration) given() bool { return len(c.points)+len(c.polynomial) > 0 }

// value returns the sensor's value at a voltage.
func (c *calibration) value(volts float64) float64 {
	switch {
	case len(c.points) > 0:
		at := 1
		for at < len(c.points)-1 && volts > c.points[at][0] {
			at++
		}
		a, b := c.points[at-1], c.points[at]
		return a[1] + (volts-a[0])*(b[1]-a[1])/(b[0]-a[0])
	case len(c.polynomial) > 0:
		v := 0.0
		for _, factor := range slices.Backward(c.polynomial) {
			v = v*volts + factor
		}
		return v
	}
	return volts
}

// finite reports whether v is a number that a point can hold.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
