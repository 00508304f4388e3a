package channel

import (
	"fmt"

	"github.com/gopcua/opcua/ua"
)

// Decode returns the response in body. It is an error when the service failed (a ua.StatusCode), when it is another
// response, or when the bytes make no sense.
func Decode[T ua.Response](body []byte) (resp T, err error) {
	defer func() {
		if p := recover(); p != nil { // gopcua's decoder trusts some lengths
			err = fmt.Errorf("decode %T: %v", resp, p)
		}
	}()
	_, v, err := ua.DecodeService(body)
	if err != nil {
		return resp, fmt.Errorf("decode %T: %w", resp, err)
	}
	r, ok := v.(ua.Response)
	if !ok || r.Header() == nil {
		return resp, fmt.Errorf("%T came where %T is wanted", v, resp)
	}
	if status := r.Header().ServiceResult; uint32(status)>>31 == 1 {
		return resp, status
	}
	resp, ok = v.(T)
	if !ok {
		return resp, fmt.Errorf("%T came where %T is wanted", v, resp)
	}
	return resp, nil
}
