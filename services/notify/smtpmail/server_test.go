package smtpmail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fault is what a server does wrong at one step. The steps are the first words of commands, and greeting, content and
// end.
type fault struct {
	step string
	// code answers the step; hang answers nothing; drop closes the connection.
	code       int
	hang, drop bool
	// endless answers without end.
	endless bool
}

// server is a mail server, by go-smtp, on a port of its own.
type server struct {
	addr  string
	fault fault
	// reached is told when a hang began.
	reached chan struct{}

	mu       sync.Mutex
	received []received
	open     int
	most     int
	gate     chan struct{}
	waiting  chan struct{}
}

// received is what a server was told and given.
type received struct {
	from, to string
	content  []byte
	tls      bool
	user     string
}

type serverOptions struct {
	fault fault
	// starttls, tls: how it encrypts.
	starttls, tls *tls.Certificate
	user          string
	// gate holds each mail until it is closed.
	gate chan struct{}
}

func serve(t *testing.T, o serverOptions) *server {
	t.Helper()
	s := &server{
		fault: o.fault, reached: make(chan struct{}, 100), gate: o.gate, waiting: make(chan struct{}, 100),
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		_, encrypted := c.TLSConnectionState()
		session := &session{server: s, conn: c, password: o.user != "", now: received{tls: encrypted}}
		return session, nil
	}))
	srv.Domain = "mail.example.com"
	srv.AllowInsecureAuth = true
	srv.MaxMessageBytes = 4 << 20
	srv.ErrorLog = silent{}
	if o.starttls != nil {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*o.starttls}, MinVersion: tls.VersionTLS12}
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = plain.Addr().String()
	var listener net.Listener = &faulty{Listener: plain, server: s}
	if o.tls != nil {
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{*o.tls}, MinVersion: tls.VersionTLS12,
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		_ = plain.Close()
		<-done
	})
	return s
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// mails are what the server took.
func (s *server) mails() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.received...)
}

// session is one client's, with the passwords of a server that asks for one: "secret" for everyone.
type session struct {
	server   *server
	conn     *smtp.Conn
	password bool
	now      received
}

func (s *session) answer(step string) error {
	if f := s.server.fault; f.step == step && f.code != 0 {
		return &smtp.SMTPError{Code: f.code, Message: "no, anna@example.com"}
	}
	return nil
}

func (s *session) AuthMechanisms() []string {
	if !s.password {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "secret" {
			return smtp.ErrAuthFailed
		}
		s.now.user = user
		return s.answer("AUTH")
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.password && s.now.user == "" {
		return smtp.ErrAuthRequired
	}
	s.now.from = from
	return s.answer("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.now.to = to
	return s.answer("RCPT")
}

func (s *session) Data(r io.Reader) error {
	s.server.enter()
	defer s.server.leave()
	if f := s.server.fault; f.step == "content" && f.drop {
		_, _ = io.ReadFull(r, make([]byte, 1000))
		return s.conn.Conn().Close()
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.answer("end"); err != nil {
		return err
	}
	s.now.content = content
	s.server.mu.Lock()
	s.server.received = append(s.server.received, s.now)
	s.server.mu.Unlock()
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// enter and leave count how many mails are under way.
func (s *server) enter() {
	s.mu.Lock()
	s.open++
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	if s.gate != nil {
		s.waiting <- struct{}{}
		<-s.gate
	}
}

func (s *server) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
}

// faulty makes connections that misbehave, whatever the server says on them.
type faulty struct {
	net.Listener
	server *server
}

func (f *faulty) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, server: f.server, step: "greeting", closed: make(chan struct{})}, nil
}

// faultyConn follows a client that sends one command at a time, and acts where the server would answer its step.
type faultyConn struct {
	net.Conn
	server *server

	mu     sync.Mutex
	step   string
	tail   []byte
	closed chan struct{}
	once   sync.Once
}

func (c *faultyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.step != "content" {
		if word := firstWord(p[:n]); word != "" {
			c.step = word
		}
		return n, err
	}
	c.tail = append(c.tail, p[:n]...)
	c.tail = c.tail[max(0, len(c.tail)-5):]
	if string(c.tail) == "\r\n.\r\n" {
		c.step = "end"
	}
	return n, err
}

func firstWord(line []byte) string {
	word, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	switch word {
	case "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "QUIT":
		return word
	}
	return ""
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	step := c.step
	if step == "DATA" && bytes.HasPrefix(p, []byte("354")) {
		c.step = "content"
	}
	c.mu.Unlock()
	if step == "answered" {
		return len(p), nil
	}
	f := c.server.fault
	if step == "HELO" && f.step == "EHLO" {
		step = "EHLO"
	}
	if f.step != step {
		return c.Conn.Write(p)
	}
	switch {
	case f.drop:
		_ = c.Close()
		return 0, errors.New("dropped")
	case f.hang:
		// TLS speaks before SMTP does, and SMTP may have no answer until the connection ends.
		select {
		case c.server.reached <- struct{}{}:
		default:
		}
		<-c.closed
		return 0, net.ErrClosed
	case f.endless:
		for line := []byte(strings.Repeat("250-more ", 1000)); ; {
			if _, err := c.Conn.Write(line); err != nil {
				return 0, err
			}
		}
	case f.code != 0 && !bytes.HasPrefix(p, fmt.Append(nil, f.code)):
		// What the session could not say itself.
		if _, err := fmt.Fprintf(c.Conn, "%d no, anna@example.com\r\n", f.code); err != nil {
			return 0, err
		}
		c.mu.Lock()
		c.step = "answered" // and nothing more until the next command
		c.mu.Unlock()
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// certificate is of 127.0.0.1, signed by itself.
func certificate(t *testing.T, until time.Time) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
