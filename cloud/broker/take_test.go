package broker

import (
	"testing"

	"github.com/courtside-edge/courtside/sync/mqtt"
)

// TestExternalRefusesStrangeTopics: an external broker delivers whatever its access list lets through.
func TestExternalRefusesStrangeTopics(t *testing.T) {
	o := ExternalOptions{URL: "mqtt://127.0.0.1:1"}
	var got []Message
	o.Handler = func(m Message) { got = append(got, m) }
	e, err := NewExternal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"courtside/1/DAL/gw/north/live", "courtside/1/dal/gw/north/ack", "courtside/1/dal/gw/north/cmd", "courtside/1/dal/gw/north/table/x/0", "x", ""} {
		e.take(mqtt.Message{Topic: topic, Payload: []byte("x")})
	}
	if len(got) != 0 || e.Stats().Refused[reasonTopic] != 6 {
		t.Errorf("%+v, %+v", got, e.Stats())
	}
	e.take(mqtt.Message{Topic: "courtside/1/dal/gw/north/live", Payload: []byte("x")})
	if len(got) != 1 || e.Stats().Received != 1 {
		t.Errorf("%+v, %+v", got, e.Stats())
	}
}
