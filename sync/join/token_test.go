package join

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func sample() Token {
	t := Token{Address: "cloud.example:8885", TrustDomain: "courtside.test", Venue: "dal-001", Gateway: "gw-north"}
	for i := range t.Secret {
		t.Secret[i], t.Authority[i] = byte(i+1), byte(200-i)
	}
	return t
}

func encode(t testing.TB, k Token) string {
	t.Helper()
	line, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestTokenComesBack(t *testing.T) {
	want := sample()
	line := encode(t, want)
	for _, text := range []string{line, "  " + line + "\n", line + "\r\n"} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if strings.ContainsAny(line, " \n+/=") {
		t.Errorf("%q is no single word", line)
	}
}

// TestTokenIsStable pins the form: devices in the field hold tokens of earlier versions.
func TestTokenIsStable(t *testing.T) {
	const golden = "courtside-join-1.EmNsb3VkLmV4YW1wbGU6ODg4NQ5jb3VydHNpZGUudGVzdAdkYWwtMDAxCGd3LW5vcnRoAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyDIx8bFxMPCwcC_vr28u7q5uLe2tbSzsrGwr66trKuqqc2VA9E"
	if got := encode(t, sample()); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
}

func TestTokenRefused(t *testing.T) {
	line := encode(t, sample())
	body := strings.TrimPrefix(line, Prefix)
	sealed := func(raw []byte) string {
		return Prefix + base64.RawURLEncoding.EncodeToString(append(raw, checksum(raw)...))
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "does not begin"},
		"something else":   {"-----BEGIN CERTIFICATE-----", "does not begin"},
		"a later version":  {"courtside-join-2." + body, `version "2"`},
		"cut":              {line[:len(line)-3], "missing"},
		"cut to a byte":    {Prefix + "AA", "checksum"},
		"a slip":           {line[:40] + "x" + line[41:], "checksum"},
		"a foreign letter": {line[:40] + "*" + line[41:], "slipped"},
		"two lines":        {line[:40] + "\n" + line[40:], "one line"},
		"padding":          {line + "=", "slipped"},
		"too long":         {strings.Repeat("x", MaxTokenBytes+1), "at most"},
		"no names":         {sealed(nil), "too early"},
		"a name too long":  {sealed([]byte{200, 'a'}), "too early"},
		"no secret":        {sealed([]byte{1, 'a', 1, 'a', 1, 'a', 1, 'a'}), "length"},
	} {
		if _, err := Parse(c.text); !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; it should say %q", name, err, c.want)
		}
	}
	for name, change := range map[string]func(*Token){
		"address":      func(k *Token) { k.Address = "cloud.example" },
		"port":         func(k *Token) { k.Address = "cloud.example:0" },
		"host":         func(k *Token) { k.Address = "a b:1" },
		"trust domain": func(k *Token) { k.TrustDomain = "Not A Domain" },
		"venue":        func(k *Token) { k.Venue = "../x" },
		"gateway":      func(k *Token) { k.Gateway = "" },
	} {
		k := sample()
		change(&k)
		if _, err := k.Encode(); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenKeepsItsSecret(t *testing.T) {
	k := sample()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", k)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %s %+v %#v", k, k, k, k), log.String()} {
		if !strings.Contains(text, k.ID()) || strings.Contains(text, "[1 2 3") || strings.Contains(text, "AQID") {
			t.Errorf("%q", text)
		}
	}
	line := encode(t, k)
	if _, err := Parse(line[:len(line)-3]); strings.Contains(err.Error(), line[60:80]) {
		t.Errorf("%v shows the secret", err)
	}
}

func FuzzParse(f *testing.F) {
	line := encode(f, sample())
	for _, seed := range []string{line, line[:len(line)-1], Prefix, "courtside-join-9.AAAA", "", line + "\n", strings.Replace(line, "Q", "R", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Fatalf("%v does not wrap ErrToken", err)
			}
			return
		}
		if again := encode(t, k); again != strings.TrimSpace(text) {
			t.Fatalf("%q reads as %q", text, again)
		}
	})
}
