// Package aggregator assembles the cloud's side: broker → ingest → log → venue → api.
//
// Start returns once everything listens; Wait returns when the context ended or a part failed. Everything that
// Start began has ended when Wait returns. The parts know nothing of each other but the small interfaces
// that they declare; who talks to whom stands here.
package aggregator
