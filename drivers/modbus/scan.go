package modbus

import (
	"context"
	"errors"
	"os"
	"time"
	"unicode/utf8"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// scan asks for the whole course once, for the parts of what is refused on the way, and now and then again for what was.
func (c *Conn) scan(ctx context.Context, class int, yield func(*drivers.Block)) error {
	co, s := c.source.courses[class], &c.sending[class]
	if requests, refusals, version := co.current(); version != s.version {
		s.version, s.refusals = version, refusals
		s.load(requests)
	}
	c.probing = c.candidate(s)
	if err := c.round(ctx, co, s, yield); err != nil {
		return err
	}
	for left := maxParts; len(c.parts) > 0; {
		n := min(left, len(c.parts))
		now, later := c.parts[:n], c.parts[n:]
		c.parts = nil
		for _, r := range later {
			c.yieldBad(r, point.BadWaitingForInitialData, yield)
		}
		var extra sending
		extra.load(now)
		if err := c.round(ctx, co, &extra, yield); err != nil {
			return err
		}
		left -= n
	}
	if err := c.refusals(co, s, yield); err != nil {
		return err
	}
	if err := c.readRings(ctx, class, yield); err != nil || c.probing == nil {
		return err
	}
	return c.probe(co, c.probing, yield)
}

// round sends the requests of s, as many at once as the depth allows, and yields what comes. Requests of units that are suspended, or that
// become so meanwhile, are left out: their points are bad.
func (c *Conn) round(ctx context.Context, co *course, s *sending, yield func(*drivers.Block)) error {
	size, depth := c.source.packer.size(), c.source.options.Depth
	for sent, open := 0, 0; sent < len(s.requests) || open > 0; {
		free := min(depth-open, len(s.requests)-sent)
		if c.line.misses >= maxMisses {
			free = 0 // whether the line itself is dead is to be found out first
		}
		// While an answer waits to be taken, sending can wait too: several requests then go out as one write.
		if free > 0 && (open == 0 || !c.wire.buffered()) {
			n := c.allowed(s.requests[sent : sent+free])
			if n == 0 {
				if r := s.requests[sent]; r != c.probing {
					c.yieldBad(r, point.BadNotConnected, yield)
				}
				sent++
				continue
			}
			if err := c.pause(ctx); err != nil {
				return err
			}
			if err := c.wire.send(s.frames[sent*size:(sent+n)*size], sent); err != nil {
				return err
			}
			sent += n
			open += n
		}
		if open > 0 {
			a, err := c.wire.receive()
			if err != nil {
				return err
			}
			open--
			c.take(co, s.requests[a.tag], a, yield)
		}
		if c.line.misses >= maxMisses && (open == 0 || len(c.source.units) == 1) {
			if err := c.alive(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take yields the points of r as a has them.
func (c *Conn) take(co *course, r *request, a answer, yield func(*drivers.Block)) {
	if c.source.options.Pause > 0 {
		c.last = time.Now()
	}
	c.judge(r, a)
	switch a.outcome {
	case answered:
		if r.split != nil {
			co.accept(r)
		}
		c.decode(r, a, yield)
	case silent:
		c.yieldBad(r, point.BadTimeout, yield)
	case malformed:
		c.yieldBad(r, point.BadDataEncodingInvalid, yield)
	case refused:
		c.refused(co, r, a.code, yield)
	}
}

// decode yields the points of r, which a holds.
func (c *Conn) decode(r *request, a answer, yield func(*drivers.Block)) {
	data := a.data
	c.block.Reset(c.line.arrived)
	c.block.Asked = a.asked
	if c.source.image != nil {
		c.source.image.store(r, data, c.line.arrived)
	}
	for n := range r.runs {
		switch run := &r.runs[n]; {
		case run.shape.control:
			c.decodeControls(run, data)
		case run.shape.kind == text:
			c.decodeTexts(run, data)
		default:
			c.block.Readings = run.decode(data, c.block.Readings)
		}
	}
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}

// decodeTexts adds a run of texts. A text is made only when it differs from the one before.
func (c *Conn) decodeTexts(r *run, data []byte) {
	var scratch [2 * maxRegisters]byte
	size := 2 * int(r.shape.width)
	for n := range int(r.count) {
		raw := r.shape.trimmed(data[int(r.offset)+n*int(r.stride):][:size], scratch[:size])
		reading := drivers.Reading{Index: r.index + uint32(n), Bits: uint64(len(c.block.Texts))}
		last, have := c.texts[reading.Index]
		if !have || last != string(raw) {
			last = string(raw)
			c.texts[reading.Index] = last
		}
		if !utf8.ValidString(last) {
			reading.Bits, reading.Quality = 0, point.BadDataEncodingInvalid
		} else {
			c.block.Texts = append(c.block.Texts, last)
		}
		c.block.Readings = append(c.block.Readings, reading)
	}
}

// decodeControls keeps a run of numbers that stand beside the slots of rings.
func (c *Conn) decodeControls(r *run, data []byte) {
	for n := range int(r.count) {
		v, q := r.shape.value(data[int(r.offset)+n*int(r.stride):])
		*c.source.control(r.index + uint32(n)) = control{v, q, c.line.arrived}
	}
}

// refused halves a request that the device refuses for its address, size or function. Other exceptions make its points bad.
func (c *Conn) refused(co *course, r *request, code byte, yield func(*drivers.Block)) {
	if code > goburrow.ExceptionCodeIllegalDataValue {
		c.yieldBad(r, exceptionQuality(code), yield)
		return
	}
	if parts := co.refuse(r, code, time.Since(c.line.start), c.id); parts != nil {
		c.parts = append(c.parts, parts...)
		return
	}
	if c.turnedDown == 0 {
		c.example, c.exception = r, code
	}
	c.turnedDown += len(r.items)
	c.yieldBad(r, exceptionQuality(code), yield)
}

func (c *Conn) yieldBad(r *request, q point.Quality, yield func(*drivers.Block)) {
	c.block.Reset(c.source.device.Clock.Mono())
	c.source.pointsBad(&c.block, r, q)
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}

// refusals yields the points that were refused before this scan, and asks for some of them again.
func (c *Conn) refusals(co *course, s *sending, yield func(*drivers.Block)) error {
	if len(s.refusals) == 0 {
		return nil
	}
	c.block.Reset(c.source.device.Clock.Mono())
	for _, f := range s.refusals {
		c.source.pointsBad(&c.block, f.request, f.quality)
	}
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
	asked := 0
	for _, f := range s.refusals {
		now := time.Since(c.line.start)
		if asked == maxAsked || f.conn == c.id && now-f.asked < askAgain || c.source.units[f.request.unit].isSuspended() {
			continue
		}
		asked++
		f.conn, f.asked = c.id, now
		if err := c.again(co, f); err != nil {
			return err
		}
	}
	return nil
}

// again asks for what was refused. An error means that the connection can be used no more.
func (c *Conn) again(co *course, f *refusal) error {
	var refusal *goburrow.ModbusError
	switch err := c.ask(f.request); {
	case err == nil:
		c.source.log.Info("the device answers addresses that it refused before", "addresses", f.request.String())
		co.restore(f)
		return nil
	case errors.As(err, &refusal), errors.Is(err, errMalformed):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && c.line.misses < maxMisses:
		return nil
	default:
		return err
	}
}

// ask reads r outside of the plan, through goburrow's client, and says whether the device answers it.
func (c *Conn) ask(r *request) error {
	client := c.client(r.unit)
	read := map[Table]func(address, quantity uint16) ([]byte, error){
		Coil: client.ReadCoils, Discrete: client.ReadDiscreteInputs,
		Input: client.ReadInputRegisters, Holding: client.ReadHoldingRegisters,
	}[r.table]
	_, err := read(r.address, r.quantity)
	return err
}

// client returns goburrow's client for a unit on this connection. Nothing may be outstanding when it is used.
func (c *Conn) client(unit uint8) goburrow.Client {
	return goburrow.NewClient2(c.source.packer.of(unit), c.wire)
}

// pause waits until the device's pause after its last answer is over.
func (c *Conn) pause(ctx context.Context) error {
	if c.source.options.Pause == 0 || c.last.IsZero() {
		return nil
	}
	wait := time.NewTimer(c.source.options.Pause - time.Since(c.last))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
