package setup

import (
	"bytes"
	"testing"

	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

// FuzzFile gives any bytes to whatever reads a file of the folder: nothing panics, and text that is taken for plain keeps its lines.
func FuzzFile(f *testing.F) {
	authority := identitytest.New(f, "courtside.test")
	f.Add(authority.Bundle())
	f.Add([]byte("\xef\xbb\xbfvenue: x\r\n"))
	f.Add([]byte("\xff\xfev\x00"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := plainText(raw)
		if err == nil && bytes.Count(text, []byte("\n")) != bytes.Count(raw, []byte("\n")) {
			t.Errorf("%q has other lines than %q", text, raw)
		}
		_, _ = certificates(raw)
		_, _ = publicKey(raw)
		if _, err := inspect([3]string{"a", "b", "c"}, [3][]byte{raw, raw, raw}); err == nil {
			t.Errorf("%q is certificate, key and bundle at once", raw)
		}
	})
}
