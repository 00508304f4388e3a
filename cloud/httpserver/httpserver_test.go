package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/httpserver"
)

// served is a server that runs.
type served struct {
	url    string
	end    context.CancelFunc
	result chan error
}

func serve(t *testing.T, h http.HandlerFunc, patience time.Duration) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s := &served{url: "http://" + l.Addr().String(), end: cancel, result: make(chan error, 1)}
	go func() { s.result <- httpserver.Run(ctx, &http.Server{Handler: h}, l, patience) }()
	return s
}

// ended waits for the end.
func (s *served) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.result:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the server has not ended")
		return nil
	}
}

// get asks and sends what comes of it.
func (s *served) get(answers chan<- error) {
	r, err := http.Get(s.url)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	answers <- err
}

func TestAnAnswerUnderWayFinishes(t *testing.T) {
	asked, finish, answers := make(chan bool), make(chan bool), make(chan error, 1)
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked <- true; <-finish }, time.Minute)
	go s.get(answers)
	<-asked
	s.end()
	close(finish)
	if err := <-answers; err != nil {
		t.Errorf("the answer was cut off: %v", err)
	}
	if err := s.ended(t); err != nil {
		t.Error(err)
	}
}

func TestWhoNeverEndsIsCutOff(t *testing.T) {
	asked, answers := make(chan bool), make(chan error, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked <- true; <-r.Context().Done() }, time.Millisecond)
	go s.get(answers)
	<-asked
	s.end()
	if err := <-answers; err == nil {
		t.Error("an answer that never ends came to its end")
	}
	if err := s.ended(t); err != nil {
		t.Error(err)
	}
}

func TestAListenerThatFailsIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := httpserver.Run(t.Context(), &http.Server{}, l, time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want net.ErrClosed", err)
	}
}
