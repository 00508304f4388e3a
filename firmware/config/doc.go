// Package config reads and checks a gateway's one configuration file.
//
// Load returns what a gateway needs to run, or everything that is wrong at once: each fault with file, line, column, the
// offending text and the fix. The same Load serves the offline check. Nothing is opened but the file itself and the files it names;
// drivers check their own mappings (options, source) in Prepare, which does no I/O.
//
//	key                          default              allowed
//	venue, gateway               required             ids: [a-z0-9][a-z0-9-]{0,30}
//	data_dir                     /var/lib/courtside   a path; relative ones start from the file's folder
//	identity.trust_domain        required             a SPIFFE trust domain
//	identity.workload_api        one of this …        unix:///path or tcp://ip:port
//	identity.cert_file …         … or these three     readable PEM files: cert_file, key_file, bundle_file; without any
//	                                                  of the four: svid.pem, svid.key and bundle.pem beside the file, which may come later
//	uplink.broker                required             mqtts://host[:port], port 8883 unless given
//	uplink.rate_limit            0 (no limit)         1KiB to 1GiB, a second
//	batch.linger                 5ms                  0s to 10s
//	batch.max_samples            65536                1 to 65536
//	batch.max_bytes              256KiB               4KiB to 4MiB
//	spool.window                 16MiB                1MiB to 1GiB
//	spool.spill_after            500ms                10ms to 1h
//	spool.limit                  8GiB                 16MiB to 16TiB, not below window
//	spool.max_age                0s (no limit)        1m to 8760h
//	spool.critical_limit         2GiB                 16MiB to 16TiB
//	spool.min_free               128MiB               32MiB to 1TiB
//	spool.ballast                16MiB                0 to 1GiB
//	spool.reduce.deadband_factor 4                    1 to 1000
//	spool.reduce.min_interval    5s                   0s to 1h
//	diag.listen                  127.0.0.1:9464       host:port; "" for none
//	updates.rate_limit           0 (no limit)         16KiB to 1GiB, a second
//	updates.events[]             none                 name, from, to and timezone, required; days, or dates, or both
//	log.level, log.format        info, text           debug, info, warn, error; text, json
//	scan_classes.{name}          required             a period, or {period, phase}: 1ms to 24h, phase below period
//	devices[].id, .driver        required             an id, unique; a driver of the registry
//	devices[].options            the driver's         the driver's
//	devices[].template           none                 a name of drivers/templates, or a path; gives driver, options and points
//	devices[].with               the template's       its parameters
//	devices[].points_file        none                 a tag list, see below
//
// A point entry is a single point (name) or a range, whose template multiplies its variables, the last fastest: {seat:1..30},
// {row:a,b,c}, {n:01..24} padded, {n:1..3,7} mixed. {seat} alone repeats a value, in range and in place.
//
// A device's points are its template's, then its own, then those of its tag list. An own entry whose name or range stands in the template too
// stands over that one, key by key; so do its options. A tag list is a table with a header, separated by commas, semicolons or tabs:
// the keys of a point entry are its columns (a name with variables is a range), the driver's keys too (address, node, source.…), and description for people.
//
//	devices[].points[]           default     allowed
//	name | range                 required    one to eight ids joined by '/', unique on the device
//	type                         required    bool, int, float, text; a counter is an int
//	kind, class                  generic, state
//	lane                         telemetry   counters, events and gates are critical, whatever is written: telemetry is refused
//	scan                         required    a scan class
//	place, unit                  none        at most 128 and 32 bytes
//	direction                    none        in, out, none; gates only, required for their counters and events
//	scale, offset                1, 0        int only; scale is not 0
//	deadband                     0           at least 0; numeric state points only
//	occupied {above, below}      none        above ≥ below; numeric seats only, required for those
//	max_silence                  never       1s to 24h
//	bits, max_rate               required    16, 32, 64 and more than 0; counters only
//	source                       the driver's
package config
