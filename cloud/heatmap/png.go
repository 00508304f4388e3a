package heatmap

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
)

// MaxScale is the largest number of pixels a cell's side may be drawn with.
const MaxScale = 16

// ramp is the colours from nothing to the scale's end: dark blue over magenta to pale yellow. Its lightness
// rises steadily, so that it reads in grey and for the colour-blind.
var ramp = [...]color.NRGBA{
	{24, 28, 60, 255}, {62, 32, 110, 255}, {120, 36, 130, 255}, {180, 48, 120, 255},
	{226, 78, 92, 255}, {250, 130, 70, 255}, {254, 188, 84, 255}, {252, 240, 168, 255},
}

// WritePNG draws g with scale pixels a cell (1 to MaxScale), y upwards; absent cells are transparent.
func WritePNG(w io.Writer, g *Grid, scale int) error {
	if scale < 1 || scale > MaxScale {
		return fmt.Errorf("scale %d is not between 1 and %d pixels a cell", scale, MaxScale)
	}
	img := image.NewNRGBA(image.Rect(0, 0, g.Width*scale, g.Height*scale))
	for r := range g.Height {
		for c := range g.Width {
			v := float64(g.Values[r*g.Width+c])
			if math.IsNaN(v) {
				continue
			}
			fill(img, c*scale, (g.Height-1-r)*scale, scale, shade(v, g.Max))
		}
	}
	if err := png.Encode(w, img); err != nil {
		return fmt.Errorf("drawing layer %s: %w", g.Layer, err)
	}
	return nil
}

func fill(img *image.NRGBA, x, y, n int, c color.NRGBA) {
	for dy := range n {
		for dx := range n {
			img.SetNRGBA(x+dx, y+dy, c)
		}
	}
}

func shade(v, top float64) color.NRGBA {
	if top <= 0 {
		return ramp[0]
	}
	f := min(1, max(0, v/top)) * float64(len(ramp)-1)
	i := min(int(f), len(ramp)-2)
	f -= float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := ramp[i], ramp[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}
