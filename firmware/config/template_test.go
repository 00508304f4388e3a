package config

import (
	"slices"
	"testing"
)

func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		template, place string
		want, places    []string
	}{
		{"s/{n:1..3}", "", []string{"s/1", "s/2", "s/3"}, []string{"", "", ""}},
		{"s/{n:08..11}", "p{n}", []string{"s/08", "s/09", "s/10", "s/11"}, []string{"p08", "p09", "p10", "p11"}},
		{"s/{n:00..01}", "", []string{"s/00", "s/01"}, []string{"", ""}},
		{"s/{n:0..1}", "", []string{"s/0", "s/1"}, []string{"", ""}},
		{"{row:a,b}/{n:1..2}", "{n}{row}", []string{"a/1", "a/2", "b/1", "b/2"}, []string{"1a", "2a", "1b", "2b"}},
		{"{n:1..2,7,x}", "", []string{"1", "2", "7", "x"}, []string{"", "", "", ""}},
		{"{n:5}/{n}", "{n}-{n}", []string{"5/5"}, []string{"5-5"}},
		{"{a:1..2}/{b:1..2}/{c:1..2}", "", []string{"1/1/1", "1/1/2", "1/2/1", "1/2/2", "2/1/1", "2/1/2", "2/2/1", "2/2/2"}, slices.Repeat([]string{""}, 8)},
	} {
		name, err := parseTemplate(c.template, nil, true, MaxPoints)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		place, err := parseTemplate(c.place, name.vars, false, 0)
		if err != nil {
			t.Errorf("%s: %v", c.place, err)
			continue
		}
		o := newOdometer(name.vars)
		var got, places []string
		for range name.count(MaxPoints) {
			got = append(got, string(name.render(nil, o)))
			places = append(places, string(place.render(nil, o)))
			o.next()
		}
		if !slices.Equal(got, c.want) || !slices.Equal(places, c.places) {
			t.Errorf("%s with %s makes %q at %q, want %q at %q", c.template, c.place, got, places, c.want, c.places)
		}
	}
}

func TestTooManyPointsAreRefusedBeforeTheyAreMade(t *testing.T) {
	for template, most := range map[string]int{
		"{a:1..1000}{b:1..1000}{c:1..2}": MaxPoints,
		"{a:1..999999999}":               MaxPoints,
		"{a:1..6,1..6}":                  10,
		"{a:x,y,z}":                      2,
		"{a:1..5}{b:1..2}{c:1..2}":       10,
	} {
		if _, err := parseTemplate(template, nil, true, most); err == nil {
			t.Errorf("%s: more than %d texts are let through", template, most)
		}
	}
	tpl, err := parseTemplate("{a:1..5}{b:1..2}", nil, true, 10)
	if err != nil || tpl.count(10) != 10 || tpl.count(9) != 10 || tpl.count(0) != 1 {
		t.Errorf("ten of ten: %v, counted %d, %d", err, tpl.count(10), tpl.count(9))
	}
}
