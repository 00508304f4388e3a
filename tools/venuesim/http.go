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
	return mux
}

func (s *Sim) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("an answer did not reach its client", "err", err)
	}
}
