package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/drivers/templates"
	"github.com/courtside-edge/courtside/sync/settings"
)

// maxTemplateBytes is the longest template file; the longest sensible one has some hundred lines.
const maxTemplateBytes = 1 << 20

// model is a device template as it is written.
type model struct {
	Model       string                   `yaml:"model,required"`
	Description string                   `yaml:"description"`
	Parameters  map[string]templateParam `yaml:"parameters"`
	Driver      string                   `yaml:"driver,required"`
	Options     settings.Section         `yaml:"options"`
	Points      []settings.Section       `yaml:"points,required"`
}

// templateParam is what differs from one device of a model to the next.
type templateParam struct {
	Help    string  `yaml:"help"`
	Default *string `yaml:"default"` // absent for one that each device has to give
}

// template returns the device's template with its parameters filled in: what stands below the device's own keys, and the template's points. Both
// are nil without a template, or when it cannot be used, which is a fault then.
func (l *loader) template(s *settings.Section) (base *settings.Section, points []settings.Section) {
	var name string
	var path settings.Path
	if !s.Has("template") || s.Get("template", &name) != nil {
		return nil, nil // Decode says what is wrong with the text
	}
	if !known(name) && s.Get("template", &path) != nil {
		return nil, nil
	}
	root, err := readTemplate(name, string(path))
	if err != nil {
		l.faults.Add(located(s, "template", err))
		return nil, nil
	}
	var m model
	if err := root.Decode(&m); err != nil {
		l.faults.Add(err)
		return nil, nil
	}
	values, ok := l.parameters(s, name, m.Parameters)
	if !ok {
		return nil, nil
	}
	base, err = root.Only("driver", "options", "points").Expand(func(text string) (string, error) { return substitute(text, values) })
	if err != nil {
		l.faults.Add(err)
		return nil, nil
	}
	if err := base.Get("points", &points); err != nil {
		l.faults.Add(err)
	}
	return base.Only("driver", "options"), points
}

// known reports whether a template is to be one of the product's; any other is a path.
func known(name string) bool { return !strings.ContainsAny(name, "/.") }

// readTemplate reads a template: one of the product's by its name, any other by its path.
func readTemplate(name, path string) (*settings.Section, error) {
	if known(name) {
		text, ok := templates.Read(name)
		if !ok {
			return nil, fmt.Errorf("no template is called %q; %s, or a path such as ./%s.yaml", name, settings.OneOf(name, templates.Names()), name)
		}
		return settings.Parse("template "+name, text, settings.Limits{})
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("the template cannot be read: %w", err)
	}
	return settings.Load(path, settings.Limits{Bytes: maxTemplateBytes})
}

// located returns err as it is when it knows its own place, or at key.
func located(s *settings.Section, key string, err error) error {
	var known *settings.Fault
	var many *settings.Error
	if errors.As(err, &known) || errors.As(err, &many) {
		return err
	}
	return s.Fault(key, "%v", err)
}

// parameters returns the values of a template's parameters for one device, and whether all are there.
func (l *loader) parameters(s *settings.Section, name string, known map[string]templateParam) (map[string]string, bool) {
	var given map[string]string
	before := l.faults.Len()
	if err := s.Get("with", &given); err != nil {
		return nil, false // Decode says it too
	}
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range s.Sub("with").Keys() {
		if _, ok := known[n]; !ok {
			l.faults.Add(s.Sub("with").FaultKey(n, "template %q has no parameter %q; %s", name, n, settings.OneOf(n, names)))
		}
	}
	values := make(map[string]string, len(known))
	for _, n := range names {
		p := known[n]
		v, ok := given[n]
		switch {
		case ok:
			values[n] = v
		case p.Default != nil:
			values[n] = *p.Default
		default:
			l.fault(s, "with", "template %q needs parameter %s (%s); add it to with: {%s: …}", name, n, p.Help, n)
		}
	}
	return values, l.faults.Len() == before
}

// substitute replaces each ${name} in text.
func substitute(text string, values map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("a \"${\" without its '}'")
		}
		v, ok := values[name]
		if !ok {
			return "", fmt.Errorf("${%s} is no parameter of this template; declare it below parameters", name)
		}
		out.WriteString(v)
		text = after
	}
}

// merge returns a template's points, each below the device's own entry of the same name or range, and then the device's others.
func merge(points, own []settings.Section) []settings.Section {
	merged := make([]settings.Section, 0, len(points)+len(own))
	used := make([]bool, len(own))
	for i := range points {
		p := &points[i]
		for k := range own {
			if name := entryName(p); name != "" && name == entryName(&own[k]) {
				p, used[k] = own[k].Over(p), true
				break
			}
		}
		merged = append(merged, *p)
	}
	for k := range own {
		if !used[k] {
			merged = append(merged, own[k])
		}
	}
	return merged
}

// entryName returns the name or range of an entry, "" when it has none that can be read.
func entryName(s *settings.Section) string {
	for _, key := range []string{"name", "range"} {
		var text string
		if s.Get(key, &text) == nil && text != "" {
			return text
		}
	}
	return ""
}
