package enrol

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/cloud/control"
)

// socketName is the name of the socket on which a desk takes orders, in its directory.
const socketName = "control.sock"

// Order asks for a token.
type Order struct {
	Gateway string `json:"gateway"` // venue/gateway
	For     string `json:"for"`     // how long it is valid, such as 72h
}

// Made is a token that was made.
type Made struct {
	Line string `json:"token"`
	Kept Token  `json:"kept"`
}

// Revocation asks for the end of tokens.
type Revocation struct {
	What  string `json:"what"` // a token's id, or venue/gateway
	SVIDs bool   `json:"svids"`
}

// Revoked says what was ended.
type Revoked struct {
	Tokens int `json:"tokens"`
}

// ListenControl opens the socket in dir on which this machine's owner gives orders. Whoever may open it may become any gateway.
func ListenControl(dir string) (net.Listener, error) {
	return control.Listen(filepath.Join(dir, socketName))
}

// ServeControl takes orders on l until ctx ends. It closes l.
func (d *Desk) ServeControl(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /tokens", control.Tell(d.Tokens))
	mux.Handle("POST /tokens", control.Obey(func(o Order) (Made, error) {
		n, err := ParseName(o.Gateway)
		if err != nil {
			return Made{}, err
		}
		valid, err := time.ParseDuration(o.For)
		if err != nil {
			return Made{}, err
		}
		line, kept, err := d.Create(n, valid)
		return Made{line, kept}, err
	}))
	mux.Handle("POST /revoke", control.Obey(func(o Revocation) (Revoked, error) {
		n, err := d.Revoke(o.What, o.SVIDs)
		return Revoked{n}, err
	}))
	return control.Serve(ctx, l, mux)
}

// Client gives orders to the aggregator that runs on this machine.
type Client struct{ control *control.Client }

// NewClient returns a client of the desk whose directory is dir.
func NewClient(dir string) *Client {
	return &Client{control.NewClient(filepath.Join(dir, socketName), "enrol")}
}

// Create orders a token.
func (c *Client) Create(ctx context.Context, o Order) (m Made, err error) {
	return m, c.control.Do(ctx, http.MethodPost, "/tokens", o, &m)
}

// List asks what is kept of tokens, the newest first.
func (c *Client) List(ctx context.Context) (all []Token, err error) {
	return all, c.control.Do(ctx, http.MethodGet, "/tokens", nil, &all)
}

// Revoke orders the end of tokens.
func (c *Client) Revoke(ctx context.Context, o Revocation) (r Revoked, err error) {
	return r, c.control.Do(ctx, http.MethodPost, "/revoke", o, &r)
}
