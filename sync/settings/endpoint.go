package settings

import (
	"errors"
	"fmt"
	"net/url"
)

// CheckEndpoint reports why s, unless it is empty, is not the base of a collector's addresses: http or https, a host, and nothing else.
func CheckEndpoint(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q does not begin with http:// or https://", s)
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host", s)
	case u.User != nil:
		return errors.New("it holds a user; secrets are no part of a configuration")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has more than a host; /v1/traces is added to it", s)
	}
	return nil
}
