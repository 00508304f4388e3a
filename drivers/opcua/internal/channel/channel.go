package channel

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

const (
	bufferSize      = 64 << 10 // bytes of a chunk, either way; what servers use
	minBufferSize   = 8 << 10  // a peer that offers less does not keep to the specification
	maxMessageBytes = 8 << 20  // of one message: 500 texts of 16 KiB; a longer one loses the channel
	defaultPort     = "4840"
	defaultLifetime = time.Hour
	minLifetime     = time.Second
	closeTimeout    = 50 * time.Millisecond // for the last message to leave
)

// ErrClosed is the cause of a channel that was closed by its owner.
var ErrClosed = errors.New("the OPC UA channel was closed")

// Options say whom to talk to and how.
type Options struct {
	Endpoint string // opc.tcp://host:port/path; port 4840 if it is absent
	Policy   string // security policy URI
	Mode     ua.MessageSecurityMode
	// Certificate (DER) and Key are ours, ServerCertificate (DER) is the one server that is trusted. Unused by the policy None.
	Certificate, ServerCertificate []byte
	Key                            *rsa.PrivateKey
	// Lifetime is how long keys are used before they are renewed; an hour when it is 0. The server may shorten it.
	Lifetime time.Duration
}

// Channel is an open secure channel. It is safe for concurrent use.
type Channel struct {
	o         Options
	conn      net.Conn
	serverKey *rsa.PublicKey
	asym      protection
	sendSize  int // bytes of a chunk that the server takes
	sendMost  int // bytes of a message that the server takes, 0 for any

	writer chan struct{} // holding its one token is the right to write
	seq    uint32        // of the last chunk sent; belongs to the writer
	lastID uint32        // of the last request; belongs to the writer

	mu       sync.Mutex
	pending  map[uint32]chan<- Answer
	opening  *opening // the OPN that waits for its answer
	id       uint32
	current  token
	previous token // accepted until the server uses the current one
	closing  bool  // by the owner, which is then the cause
	err      error
	lost     chan struct{}

	wg sync.WaitGroup
}

// token is one set of keys.
type token struct {
	id    uint32
	prot  protection
	life  time.Duration
	valid bool
}

// Answer is what became of a request: a response's bytes, from its type id on, or an error.
type Answer struct {
	ID   uint32
	Body []byte
	Err  error
}

// Open connects and opens a secure channel. It returns when ctx ends.
func Open(ctx context.Context, o Options) (*Channel, error) {
	c := &Channel{
		o:       o,
		writer:  make(chan struct{}, 1),
		pending: make(map[uint32]chan<- Answer),
		lost:    make(chan struct{}),
	}
	if c.o.Lifetime <= 0 {
		c.o.Lifetime = defaultLifetime
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", o.Endpoint, err)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	var d net.Dialer
	if c.conn, err = d.DialContext(ctx, "tcp", host); err != nil {
		return nil, err
	}
	if err := c.hello(ctx); err != nil {
		c.conn.Close()
		return nil, err
	}
	c.wg.Go(c.read)
	if err := c.openToken(ctx, ua.SecurityTokenRequestTypeIssue); err != nil {
		c.fail(err)
		c.wg.Wait()
		return nil, err
	}
	c.wg.Go(c.renew)
	return c, nil
}

// prepare checks the keys and makes the algorithms of the OPN messages.
func (c *Channel) prepare() error {
	if c.o.Policy == ua.SecurityPolicyURINone {
		return c.algorithms()
	}
	key, err := publicKey(c.o.ServerCertificate)
	if err != nil {
		return err
	}
	c.serverKey = key
	return c.algorithms()
}

func publicKey(der []byte) (*rsa.PublicKey, error) {
	cert, err := uapolicy.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the server's certificate has no RSA key, OPC UA needs one")
	}
	return key, nil
}

func (c *Channel) algorithms() error {
	secure := c.o.Policy != ua.SecurityPolicyURINone
	key := c.o.Key
	if !secure {
		key = nil
	}
	algo, err := uapolicy.Asymmetric(c.o.Policy, key, c.serverKey)
	if err != nil {
		return err
	}
	c.asym = protection{algo: algo, sign: secure, encrypt: secure}
	return nil
}

// Lost is closed when the channel can be used no more; Err says why.
func (c *Channel) Lost() <-chan struct{} { return c.lost }

// Err returns why the channel was lost, or nil.
func (c *Channel) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the channel with its first cause and answers whoever waits.
func (c *Channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if c.closing {
		err = ErrClosed
	}
	c.err = err
	close(c.lost)
	c.conn.Close()
	for id, out := range c.pending {
		deliver(out, Answer{ID: id, Err: err})
	}
	clear(c.pending)
}

// deliver never blocks: whoever asks provides the room.
func deliver(out chan<- Answer, a Answer) {
	select {
	case out <- a:
	default:
	}
}

// Close says goodbye if that is possible at once, ends the channel and waits for its goroutines. It may be called twice.
func (c *Channel) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	c.mu.Lock()
	c.closing = true
	alive := c.err == nil
	c.mu.Unlock()
	if alive {
		if r, err := Encode(&ua.CloseSecureChannelRequest{}); err == nil {
			_, _ = c.send(ctx, r, nil, closeTimeout, nil)
		}
	}
	c.fail(ErrClosed)
	c.wg.Wait()
	return nil
}
