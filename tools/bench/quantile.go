package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// quantile returns the q-th quantile of values, NaN of none. It sorts them.
func quantile(values []time.Duration, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return milliseconds(values[min(len(values)-1, int(q*float64(len(values))))])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// series is one line of Prometheus' text format.
type series struct {
	name, labels string
	value        float64
}

// scraped is one scrape.
type scraped []series

// parseMetrics reads Prometheus' text format, as far as this program needs it: names, labels and values.
func parseMetrics(r io.Reader) (scraped, error) {
	var out scraped
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest := line, ""
		if end := strings.LastIndexByte(line, '}'); end >= 0 {
			key, rest = line[:end+1], line[end+1:]
		} else if at := strings.IndexByte(line, ' '); at >= 0 {
			key, rest = line[:at], line[at:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return nil, fmt.Errorf("metrics: line %q has no value", line)
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: line %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
		out = append(out, series{name, labels, v})
	}
	return out, lines.Err()
}

// sum returns the sum of every series of a name.
func (s scraped) sum(name string) float64 {
	total := 0.0
	for _, one := range s {
		if one.name == name {
			total += one.value
		}
	}
	return total
}

// histogramQuantile returns the q-th quantile of a histogram's growth from before to s, interpolated within a bucket as Prometheus does; NaN when nothing came.
func (s scraped) histogramQuantile(before scraped, name string, q float64) float64 {
	counts := map[float64]float64{}
	add := func(from scraped, sign float64) {
		for _, one := range from {
			if one.name != name+"_bucket" {
				continue
			}
			if le, ok := label(one.labels, "le"); ok {
				if bound, err := strconv.ParseFloat(le, 64); err == nil {
					counts[bound] += sign * one.value
				}
			}
		}
	}
	add(s, 1)
	add(before, -1)
	bounds := make([]float64, 0, len(counts))
	for b := range counts {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	if len(bounds) == 0 || counts[bounds[len(bounds)-1]] == 0 {
		return math.NaN()
	}
	want := q * counts[bounds[len(bounds)-1]]
	low, below := 0.0, 0.0
	for _, b := range bounds {
		if n := counts[b]; n >= want {
			if math.IsInf(b, 1) || n == below {
				return low
			}
			return low + (b-low)*(want-below)/(n-below)
		}
		low, below = b, counts[b]
	}
	return low
}

// label returns the value of one label.
func label(labels, name string) (string, bool) {
	for pair := range strings.SplitSeq(labels, ",") {
		if k, v, ok := strings.Cut(pair, "="); ok && strings.TrimSpace(k) == name {
			return strings.Trim(v, `"`), true
		}
	}
	return "", false
}
