package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"unicode"
	"unicode/utf8"
)

// maxLineBytes is the longest line that is read; the longest address is shorter.
const maxLineBytes = 2048

var (
	errInterrupted = errors.New("Ctrl-C")
	errEnd         = errors.New("the input ends")
	errNoText      = errors.New("that was no text")
	errTooLong     = errors.New("that line is too long")
	errQuote       = errors.New("a quote is not closed")
)

// input reads lines.
type input struct {
	f        *os.File
	terminal bool
	held     []byte // read, and not yet returned
	skipping bool   // the line is too long: its end is awaited
	tty      tty
}

func newInput(f *os.File) *input { return &input{f: f, terminal: isTerminal(f)} }

// line returns the next line without its end. While it waits it calls idle again and again; it ends early with ctx and at an interrupt.
func (in *input) line(ctx context.Context, idle func(), interrupts <-chan os.Signal) ([]byte, error) {
	for {
		if line, ok, err := in.cut(); ok {
			return line, err
		}
		ready, err := wait(in.f)
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-interrupts:
			in.held, in.skipping = nil, false
			return nil, errInterrupted
		default:
		}
		if !ready {
			idle()
			continue
		}
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

func (in *input) fill() error {
	b := make([]byte, 512)
	n, err := in.f.Read(b)
	in.held = append(in.held, b[:n]...)
	switch {
	case n > 0:
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return errEnd
	case hungUp(err):
		in.terminal = false // nobody is there any more
		return errEnd
	}
	return err
}

// cut takes a whole line off what is held.
func (in *input) cut() (line []byte, ok bool, err error) {
	at := bytes.IndexAny(in.held, "\r\n")
	switch {
	case at < 0 && len(in.held) > maxLineBytes:
		in.held, in.skipping = nil, true
		return nil, false, nil
	case at < 0:
		return nil, false, nil
	}
	line, in.held = in.held[:at], in.held[at+1:]
	if in.skipping || len(line) > maxLineBytes {
		in.skipping = false
		return []byte{0}, true, nil // no text, which split says
	}
	return line, true, nil
}

// split takes a line apart into words; a word in quotes may hold blanks.
func split(line []byte) (words []string, err error) {
	if len(line) > maxLineBytes {
		return nil, errTooLong
	}
	var word []rune
	var quote rune
	within := false
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		line = line[size:]
		switch {
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r) && r != '\t':
			return nil, errNoText
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, within = r, true
		case quote == 0 && unicode.IsSpace(r):
			if within {
				words, word, within = append(words, string(word)), nil, false
			}
		default:
			word, within = append(word, r), true
		}
	}
	if quote != 0 {
		return nil, errQuote
	}
	if within {
		words = append(words, string(word))
	}
	return words, nil
}
