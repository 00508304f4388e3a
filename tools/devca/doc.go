// Package devca is a development authority: it serves the real SPIFFE Workload API with short-lived
// X.509-SVIDs (ECDSA P-256) that it rotates at half their life, and writes the same as PEM files.
//
// Each identity has a folder of its own, named by its common name:
//
//	{dir}/ca.pem                          the authority: certificate and key; made at the first start, kept
//	{dir}/gw-north.dal-001/agent.sock     the Workload API for this identity
//	{dir}/gw-north.dal-001/svid.pem       the same SVID, its key and the trust bundle as PEM
//	{dir}/gw-north.dal-001/svid.key
//	{dir}/gw-north.dal-001/bundle.pem
//
// One socket for each identity is the attestation: whoever may open the socket is who it says, and the
// folder's permissions (0700) say who may. This serves one machine that trusts its users, such as a demo or a test. In
// production SPIRE takes its place, and nothing else changes.
package devca
