package uabinary_test

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
)

func header(status ua.StatusCode) *ua.ResponseHeader {
	return &ua.ResponseHeader{Timestamp: time.Unix(1_700_000_000, 100), RequestHandle: 7, ServiceResult: status,
		ServiceDiagnostics: &ua.DiagnosticInfo{}, StringTable: []string{"a", ""}, AdditionalHeader: ua.NewExtensionObject(nil)}
}

// message encodes a response as a server does, type id first.
func message(t testing.TB, resp ua.Response) []byte {
	t.Helper()
	b, err := ua.Encode(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(resp)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := ua.Encode(resp)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, body...)
}

// variants are one of every type that a server may send, in every shape.
func variants(t testing.TB) []*ua.Variant {
	t.Helper()
	var all []*ua.Variant
	inner := ua.MustVariant(int32(4))
	for _, v := range []any{
		true, false, int8(-3), byte(200), int16(-300), uint16(60000), int32(-70000), uint32(4_000_000_000), int64(math.MinInt64), uint64(math.MaxUint64),
		float32(1.5), -2.25, "text", "", time.Unix(1_700_000_000, 0), ua.NewGUID("01234567-89ab-cdef-0123-456789abcdef"), []byte{1, 2}, ua.XMLElement("<a/>"),
		ua.NewTwoByteNodeID(3), ua.NewFourByteNodeID(1, 300), ua.NewNumericNodeID(2, 70000), ua.NewStringNodeID(2, "s"), ua.NewGUIDNodeID(1, "01234567-89ab-cdef-0123-456789abcdef"),
		ua.NewByteStringNodeID(1, []byte{9}), ua.NewExpandedNodeID(ua.NewStringNodeID(2, "s"), "urn:x", 4), ua.StatusBad,
		&ua.QualifiedName{NamespaceIndex: 1, Name: "q"}, ua.NewLocalizedTextWithLocale("hallo", "de"), ua.NewLocalizedText(""),
		ua.NewExtensionObject(&ua.Range{Low: 1, High: 2}), &ua.DataValue{EncodingMask: ua.DataValueValue, Value: inner},
		[]int32{1, 2, 3}, []string{"a", "b"}, []bool{}, []*ua.Variant{inner, inner}, [][]int32{{1, 2}, {3, 4}}, []time.Time{time.Unix(1, 0)},
	} {
		v, err := ua.NewVariant(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return append(all, &ua.Variant{})
}

// What gopcua encodes is read the same here, and every type is passed over exactly.
func TestReadAgreesWithGopcua(t *testing.T) {
	resp := &ua.ReadResponse{ResponseHeader: header(ua.StatusOK), DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for i, v := range variants(t) {
		d := &ua.DataValue{Value: v, SourceTimestamp: time.Unix(1_600_000_000, int64(i)*100), ServerTimestamp: time.Unix(1_600_000_001, 0),
			Status: ua.StatusCode(0x40000000 + uint32(i)), SourcePicoseconds: uint16(i), ServerPicoseconds: uint16(i)}
		d.UpdateMask()
		resp.Results = append(resp.Results, d)
	}
	seen := 0
	h, n, err := uabinary.Read(message(t, resp), func(i int, v *uabinary.DataValue) {
		seen++
		want := resp.Results[i]
		if v.Status != uint32(want.Status) || v.Source != want.SourceTimestamp.UnixNano() || v.Server != want.ServerTimestamp.UnixNano() {
			t.Errorf("value %d: status %#x, times %d %d", i, v.Status, v.Source, v.Server)
		}
		if v.Value.Type != uabinary.Type(want.Value.Type()) || v.Value.Array != want.Value.Has(ua.VariantArrayValues) {
			t.Errorf("value %d is %v (array %v), want %v", i, v.Value.Type, v.Value.Array, want.Value.Type())
		}
		if bits, text, ok := scalar(want.Value.Value()); ok && (v.Value.Bits != bits || string(v.Value.Text) != text) {
			t.Errorf("value %d is %#x %q, want %#x %q", i, v.Value.Bits, v.Value.Text, bits, text)
		}
	})
	if err != nil || n != len(resp.Results) || seen != n {
		t.Errorf("%d of %d values, %v", seen, len(resp.Results), err)
	}
	if h.Handle != 7 || h.Service != 0 || h.Time != resp.ResponseHeader.Timestamp.UnixNano() {
		t.Errorf("header %+v", h)
	}
}

func scalar(v any) (bits uint64, text string, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, "", true
		}
		return 0, "", true
	case int8:
		return uint64(int64(v)), "", true
	case uint8:
		return uint64(v), "", true
	case int16:
		return uint64(int64(v)), "", true
	case uint16:
		return uint64(v), "", true
	case int32:
		return uint64(int64(v)), "", true
	case uint32:
		return uint64(v), "", true
	case int64:
		return uint64(v), "", true
	case uint64:
		return v, "", true
	case float32:
		return math.Float64bits(float64(v)), "", true
	case float64:
		return math.Float64bits(v), "", true
	case string:
		return 0, v, true
	case *ua.LocalizedText:
		return 0, v.Text, true
	}
	return 0, "", false
}

func publishResponse(notes ...any) *ua.PublishResponse {
	m := &ua.NotificationMessage{SequenceNumber: 12, PublishTime: time.Unix(5, 0), NotificationData: []*ua.ExtensionObject{}}
	for _, n := range notes {
		eo := ua.NewExtensionObject(n)
		eo.UpdateMask()
		m.NotificationData = append(m.NotificationData, eo)
	}
	return &ua.PublishResponse{ResponseHeader: header(ua.StatusOK), SubscriptionID: 3, AvailableSequenceNumbers: []uint32{11, 12}, MoreNotifications: true,
		NotificationMessage: m, Results: []ua.StatusCode{ua.StatusOK}, DiagnosticInfos: []*ua.DiagnosticInfo{}}
}

func TestPublish(t *testing.T) {
	change := &ua.DataChangeNotification{DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for i, v := range variants(t) {
		d := &ua.DataValue{Value: v}
		d.UpdateMask()
		change.MonitoredItems = append(change.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: uint32(100 + i), Value: d})
	}
	status := &ua.StatusChangeNotification{Status: ua.StatusBadTimeout, DiagnosticInfo: &ua.DiagnosticInfo{}}
	events := &ua.EventNotificationList{Events: []*ua.EventFieldList{{ClientHandle: 1, EventFields: variants(t)}}}
	var (
		p       uabinary.Publication
		handles []uint32
	)
	err := uabinary.Publish(message(t, publishResponse(events, change, status)), &p, func(h uint32, v *uabinary.DataValue) { handles = append(handles, h) })
	if err != nil {
		t.Fatal(err)
	}
	if len(handles) != len(change.MonitoredItems) || handles[0] != 100 {
		t.Errorf("handles %v", handles)
	}
	if p.Subscription != 3 || p.Sequence != 12 || !p.More || p.KeepAlive || len(p.Available) != 2 || !p.HasStatusChange || p.StatusChange != uint32(ua.StatusBadTimeout) {
		t.Errorf("publication %+v", p)
	}
	if err := uabinary.Publish(message(t, publishResponse()), &p, nil); err != nil || !p.KeepAlive || p.HasStatusChange {
		t.Errorf("a keep-alive is %+v, %v", p, err)
	}
	republished := &ua.RepublishResponse{ResponseHeader: header(ua.StatusOK), NotificationMessage: publishResponse(change).NotificationMessage}
	handles = nil
	if err := uabinary.Republish(message(t, republished), &p, func(h uint32, v *uabinary.DataValue) { handles = append(handles, h) }); err != nil || len(handles) == 0 || p.Sequence != 12 {
		t.Errorf("a republished message: %d values, %+v, %v", len(handles), p, err)
	}
}

func TestServiceFaultSaysWhy(t *testing.T) {
	fault := message(t, &ua.ServiceFault{ResponseHeader: header(ua.StatusBadSessionIDInvalid)})
	h, n, err := uabinary.Read(fault, nil)
	if err != nil || n != 0 || h.Service != uint32(ua.StatusBadSessionIDInvalid) {
		t.Errorf("a fault is %+v, %v", h, err)
	}
	var p uabinary.Publication
	if err := uabinary.Publish(fault, &p, nil); err != nil || p.Header.Service != uint32(ua.StatusBadSessionIDInvalid) {
		t.Errorf("a fault is %+v, %v", p.Header, err)
	}
	if _, _, err := uabinary.Read(message(t, publishResponse()), nil); !errors.Is(err, uabinary.ErrMalformed) {
		t.Errorf("another message is %v", err)
	}
}

// Every prefix of a message is refused or yields no more than it holds.
func TestCutMessages(t *testing.T) {
	resp := &ua.ReadResponse{ResponseHeader: header(ua.StatusOK), DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for _, v := range variants(t) {
		d := &ua.DataValue{Value: v}
		d.UpdateMask()
		resp.Results = append(resp.Results, d)
	}
	whole := message(t, resp)
	end := len(whole) - 4 // the array of diagnostics is not looked at
	for n := range end {
		if _, _, err := uabinary.Read(whole[:n], func(int, *uabinary.DataValue) {}); !errors.Is(err, uabinary.ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestHostileLengths(t *testing.T) {
	prefix := message(t, &ua.ReadResponse{ResponseHeader: header(ua.StatusOK)})
	prefix = prefix[:len(prefix)-8] // up to the count of results
	for name, tail := range map[string][]byte{
		"two billion results":        {0xff, 0xff, 0xff, 0x7f},
		"an array of minus five":     {1, 0, 0, 0, 1, 0x86, 0xfb, 0xff, 0xff, 0xff},
		"an array of a billion":      {1, 0, 0, 0, 1, 0x86, 0, 0, 0, 0x40},
		"a billion dimensions":       {1, 0, 0, 0, 1, 0xc6, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x0f},
		"a string of two gigabytes":  {1, 0, 0, 0, 1, 12, 0xff, 0xff, 0xff, 0x7f},
		"nested variants":            append([]byte{1, 0, 0, 0, 1}, bytes.Repeat([]byte{24}, 1000)...),
		"a type that does not exist": {1, 0, 0, 0, 1, 63, 0, 0, 0, 0},
	} {
		_, _, err := uabinary.Read(append(bytes.Clone(prefix), tail...), func(_ int, v *uabinary.DataValue) {})
		if !errors.Is(err, uabinary.ErrMalformed) && name != "an array of minus five" { // a null array
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	resp := &ua.ReadResponse{ResponseHeader: header(ua.StatusOK), DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for range 500 {
		d := &ua.DataValue{Value: ua.MustVariant(uint16(5)), SourceTimestamp: time.Unix(1, 0)}
		d.UpdateMask()
		resp.Results = append(resp.Results, d)
	}
	b := message(t, resp)
	sum := uint64(0)
	if n := testing.AllocsPerRun(10, func() {
		if _, _, err := uabinary.Read(b, func(_ int, v *uabinary.DataValue) { sum += v.Value.Bits }); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("500 values cost %v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	resp := &ua.ReadResponse{ResponseHeader: header(ua.StatusOK), DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for _, v := range variants(f) {
		d := &ua.DataValue{Value: v, SourceTimestamp: time.Unix(1, 0)}
		d.UpdateMask()
		f.Add(message(f, &ua.ReadResponse{ResponseHeader: header(ua.StatusOK), Results: []*ua.DataValue{d}}))
		resp.Results = append(resp.Results, d)
	}
	f.Add(message(f, resp))
	f.Fuzz(func(t *testing.T, b []byte) {
		count := 0
		_, n, err := uabinary.Read(b, func(i int, v *uabinary.DataValue) { count++ })
		if count > len(b) || err == nil && n != count {
			t.Errorf("%d bytes gave %d values, %d are said", len(b), count, n)
		}
	})
}

func FuzzPublish(f *testing.F) {
	d := &ua.DataValue{Value: ua.MustVariant(int32(1))}
	d.UpdateMask()
	change := &ua.DataChangeNotification{MonitoredItems: []*ua.MonitoredItemNotification{{ClientHandle: 1, Value: d}}}
	status := &ua.StatusChangeNotification{Status: ua.StatusBadTimeout, DiagnosticInfo: &ua.DiagnosticInfo{}}
	f.Add(message(f, publishResponse(change, status)))
	f.Add(message(f, publishResponse()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p uabinary.Publication
		count := 0
		err := uabinary.Publish(b, &p, func(uint32, *uabinary.DataValue) { count++ })
		if count > len(b) {
			t.Errorf("%d bytes gave %d values", len(b), count)
		}
		if err != nil && !errors.Is(err, uabinary.ErrMalformed) {
			t.Errorf("error %v", err)
		}
	})
}
