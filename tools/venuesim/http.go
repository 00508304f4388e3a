package venuesim

import (
	"encoding/json"
	"net/http"
)

// handler serves the truth and takes orders:
//
//	GET  /healthz            200 while the simulation runs
//	GET  /state              State
//	GET  /truth              Truth
//	GET  /truth/passages     []Passage
//	POST /control/open       opens the doors without waiting for polls
//	POST /control/freeze     ends the event now
//	GET  /faults             []Fault: what devices were told to do
//	POST /control/fault      Fault, {"device": "plc-gates-1", "do": "delay", "delay": "200ms", "for": "5s"}
//	POST /control/heal       {"device": "plc-gates-1"}: ends what the device was told to do
func (s *Sim) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, map[string]string{"status": "ok"}) })
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.State()) })
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.Truth()) })
	mux.HandleFunc("GET /truth/passages", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.Passages()) })
	mux.HandleFunc("POST /control/open", func(w http.ResponseWriter, _ *http.Request) {
		s.OpenDoors()
		s.answer(w, s.State())
	})
	mux.HandleFunc("POST /control/freeze", func(w http.ResponseWriter, _ *http.Request) {
		s.Freeze()
		s.answer(w, s.State())
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.Faults()) })
	mux.HandleFunc("POST /control/fault", func(w http.ResponseWriter, r *http.Request) {
		s.order(w, r, func(t faultText) error {
			f, err := t.fault()
			if err != nil {
				return err
			}
			return s.Inject(f)
		})
	})
	mux.HandleFunc("POST /control/heal", func(w http.ResponseWriter, r *http.Request) {
		s.order(w, r, func(t faultText) error { return s.Heal(t.Device) })
	})
	return mux
}

// maxOrder bounds the body of an order, in bytes.
const maxOrder = 64 << 10

// order does what the body says and answers the faults that stand then, or 422 with the reason why it cannot be done.
func (s *Sim) order(w http.ResponseWriter, r *http.Request, do func(faultText) error) {
	var t faultText
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	in.DisallowUnknownFields()
	err := in.Decode(&t)
	if err == nil {
		err = do(t)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	s.answer(w, s.Faults())
}

func (s *Sim) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("an answer did not reach its client", "err", err)
	}
}
