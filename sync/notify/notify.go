// Package notify tells systemd how a service stands, and that it is alive.
//
// What is said goes to $NOTIFY_SOCKET (Type=notify); without one nothing is said and nothing fails. The watchdog (WatchdogSec=) is told
// only after every part of the program has answered, so that systemd restarts a program whose process lives and whose work stands still:
//
//	a part answers                within the round: the watchdog is told, every half interval
//	a part answers late           the watchdog is told then; the round after it begins at once
//	a part does not answer        the watchdog is not told any more; the part is named in the log, once a round
//	a part says that it is stuck  as if it did not answer
//	the socket is gone            said once in the log; the program goes on
package notify

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// StatusEvery is how often the parts are asked, and the status is told, where no watchdog asks for more.
const StatusEvery = 30 * time.Second

// Service is this program as systemd sees it. Its methods are safe for concurrent use.
type Service struct {
	heard    bool // somebody listens
	send     func(state string) error
	interval time.Duration // of the watchdog; 0 for none
	log      *slog.Logger

	mu     sync.Mutex
	status string
	failed bool
}

// Part is what has to move for the program to be alive.
type Part struct {
	Name string // as the log shall call it
	// Alive returns nil once the part has shown that it moves, and an error when it says that it does not, or when ctx ended first. A call that does
	// not return counts as no answer; the next one comes after it has.
	Alive func(ctx context.Context) error
}

// FromEnvironment returns the service that systemd started; elsewhere one that says nothing. log may be nil.
func FromEnvironment(log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Service{heard: os.Getenv("NOTIFY_SOCKET") != "", log: log, send: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
	var err error
	if s.interval, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("the watchdog's interval cannot be read; it is not told anything", "err", err)
	}
	return s
}

// Ready says that the service has started, or has read its configuration again, and how it stands in one line.
func (s *Service) Ready(status string) { s.say(status, daemon.SdNotifyReady) }

// Reloading says that the configuration is being read again; Ready says when it was.
func (s *Service) Reloading() { s.say("", daemon.SdNotifyReloading) }

// Stopping says that the service is about to end.
func (s *Service) Stopping() { s.say("", daemon.SdNotifyStopping) }

// Allow gives the watchdog's next answers another interval, for work that takes long and that nobody watches; 0 for the unit's own again.
func (s *Service) Allow(interval time.Duration) {
	if s.interval == 0 {
		return
	}
	if interval <= 0 {
		interval = s.interval
	}
	s.say("", "WATCHDOG_USEC="+strconv.FormatInt(interval.Microseconds(), 10))
}

// Attend watches until ctx ends, says then that the service is stopping, and returns. ended ends it sooner, and waits.
func (s *Service) Attend(ctx context.Context, status func() string, parts ...Part) (ended func()) {
	watch, cancel := context.WithCancel(ctx)
	var both sync.WaitGroup
	both.Go(func() { s.Watch(watch, status, parts...) })
	both.Go(func() {
		<-watch.Done()
		if ctx.Err() != nil {
			s.Stopping() // at once, though a part may still be asked
		}
	})
	return func() {
		cancel()
		both.Wait()
	}
}

// Watch asks the parts at once and then every half interval until ctx ends, and tells the watchdog when all have answered, and what status returns
// when it has changed. It returns when every question that it asked has been answered.
func (s *Service) Watch(ctx context.Context, status func() string, parts ...Part) {
	if !s.heard {
		return
	}
	every := StatusEvery
	if s.interval > 0 {
		every = s.interval / 2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if s.round(ctx, every, parts) && ctx.Err() == nil {
			s.say(status(), daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round asks every part once and reports whether all moved. Those that let it wait for too long are named meanwhile.
func (s *Service) round(ctx context.Context, patience time.Duration, parts []Part) bool {
	var asked sync.WaitGroup
	var mu sync.Mutex
	left, stuck := map[string]bool{}, false
	for _, p := range parts {
		left[p.Name] = true
	}
	for _, p := range parts {
		asked.Go(func() {
			err := p.Alive(ctx)
			mu.Lock()
			defer mu.Unlock()
			delete(left, p.Name)
			if err != nil && ctx.Err() == nil {
				stuck = true
				s.log.Error("a part stands still: the watchdog is not told", "part", p.Name, "err", err)
			}
		})
	}
	late := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		for name := range left {
			s.log.Error("a part does not answer: the watchdog is not told until it does", "part", name, "for", patience)
		}
	})
	defer late.Stop()
	asked.Wait()
	mu.Lock()
	defer mu.Unlock()
	return !stuck
}

// say sends states, and the status when it is not empty and another than before.
func (s *Service) say(status string, states ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status = strings.ReplaceAll(status, "\n", "; "); status != "" && status != s.status {
		states = append(states, "STATUS="+status)
		s.status = status
	}
	err := s.send(strings.Join(states, "\n"))
	if err != nil && !s.failed {
		s.log.Warn("systemd cannot be told how the service stands", "err", err)
	}
	s.failed = err != nil
}
