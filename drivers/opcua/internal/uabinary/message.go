package uabinary

import "fmt"

// Numbers of the messages that this package reads, in namespace 0.
const (
	idReadResponse      = 634
	idPublishResponse   = 829
	idRepublishResponse = 835
	idDataChange        = 811
	idStatusChange      = 820
	minDataValueSize    = 1
	minNotificationSize = 5
	minExtensionSize    = 3
	sequenceNumberSize  = 4
)

// Header is what the gateway wants to know of a response.
type Header struct {
	Type    uint32 // of the message, in namespace 0
	Time    int64  // the server's clock, Unix ns
	Handle  uint32
	Service uint32 // status code of the service
}

// Header reads the type and header of a response.
func (r *Reader) Header() Header {
	ns, id := r.NodeID()
	if ns != 0 {
		id = 0
	}
	h := Header{Type: id, Time: r.Time(), Handle: r.U32(), Service: r.U32()}
	r.diagnostics(0)
	for range r.Count(4) {
		r.Bytes()
	}
	r.Extension()
	return h
}

// expect reads a header and fails unless the message is of the given type or a service says that it failed.
func (r *Reader) expect(typ uint32) (Header, bool) {
	h := r.Header()
	switch {
	case r.err != nil:
		return h, false
	case h.Service>>31 == 1:
		return h, false
	case h.Type != typ:
		r.fail("message %d came where %d is wanted", h.Type, typ)
		return h, false
	}
	return h, true
}

// Read decodes a ReadResponse and calls yield with each value in order. When the service failed, the header
// says why and yield is not called. v and what it aliases are valid only during the call.
func Read(body []byte, yield func(i int, v *DataValue)) (Header, int, error) {
	r := NewReader(body)
	h, ok := r.expect(idReadResponse)
	if !ok {
		return h, 0, r.err
	}
	n := r.Count(minDataValueSize)
	var v DataValue
	for i := range n {
		if r.DataValue(&v); r.err != nil {
			return h, i, r.err
		}
		yield(i, &v)
	}
	return h, n, r.err
}

// Publication is a decoded PublishResponse or RepublishResponse.
type Publication struct {
	Header       Header
	Subscription uint32 // 0 in a RepublishResponse
	More         bool
	Sequence     uint32 // of the message; of the next one in a keep-alive
	KeepAlive    bool
	// StatusChange is the status code of a StatusChangeNotification, HasStatusChange says that there was one.
	StatusChange    uint32
	HasStatusChange bool
	Available       []uint32 // sequence numbers that the server can republish
}

// Publish decodes a PublishResponse and calls yield with each changed value in order; see Read.
func Publish(body []byte, p *Publication, yield func(handle uint32, v *DataValue)) error {
	r := NewReader(body)
	*p = Publication{Available: p.Available[:0]}
	h, ok := r.expect(idPublishResponse)
	p.Header = h
	if !ok {
		return r.err
	}
	p.Subscription = r.U32()
	for range r.Count(sequenceNumberSize) {
		p.Available = append(p.Available, r.U32())
	}
	p.More = r.U8() != 0
	r.notification(p, yield)
	return r.err
}

// Republish decodes a RepublishResponse like Publish.
func Republish(body []byte, p *Publication, yield func(handle uint32, v *DataValue)) error {
	r := NewReader(body)
	*p = Publication{Available: p.Available[:0]}
	h, ok := r.expect(idRepublishResponse)
	p.Header = h
	if ok {
		r.notification(p, yield)
	}
	return r.err
}

func (r *Reader) notification(p *Publication, yield func(handle uint32, v *DataValue)) {
	p.Sequence = r.U32()
	r.Time()
	n := r.Count(minExtensionSize)
	p.KeepAlive = n == 0
	for range n {
		typ, body := r.Extension()
		switch typ {
		case idDataChange:
			body.dataChange(yield)
		case idStatusChange:
			p.StatusChange, p.HasStatusChange = body.U32(), true
		}
		if body.err != nil && r.err == nil {
			r.err = fmt.Errorf("notification %d: %w", typ, body.err)
		}
		if r.err != nil {
			return
		}
	}
}

func (r *Reader) dataChange(yield func(handle uint32, v *DataValue)) {
	var v DataValue
	for range r.Count(minNotificationSize) {
		handle := r.U32()
		if r.DataValue(&v); r.err != nil {
			return
		}
		yield(handle, &v)
	}
}
