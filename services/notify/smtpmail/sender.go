package smtpmail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	stdmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// maxAtOnce is how many connections a Sender has at most: as many as a mail server lets one client have.
	maxAtOnce = 8
	// defaultTimeout bounds a mail from the first packet to the last answer. maxTimeout is what RFC 5321 section
	// 4.5.3.2.6 gives a server for its answer to a mail.
	defaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
)

// Mode is how the way to the server is encrypted.
type Mode string

// The modes.
const (
	// StartTLS encrypts after a command of that name, RFC 3207; a server without it is not spoken with.
	StartTLS Mode = "starttls"
	// TLS encrypts from the first byte on, RFC 8314 section 3.3.
	TLS Mode = "tls"
	// None encrypts nothing.
	None Mode = "none"
)

// Options says where mails go, and whose they are.
type Options struct {
	// Server is host:port of the mail server.
	Server string
	// From is who mails are from: an address, or a name and an address in <>.
	From string
	// User and Password are what the server knows the sender by; both "" for a server that does not ask.
	User, Password string
	// TLS is StartTLS where it is "".
	TLS Mode
	// RootCAs are whose certificates are trusted; nil for those that the system trusts.
	RootCAs *x509.CertPool
	// HelloName is what the sender calls itself, "" for the host's name.
	HelloName string
	// Timeout bounds one mail, at most 10 minutes; 0 for 30 seconds.
	Timeout time.Duration
}

// Sender sends mails to one server. It is safe for concurrent use.
type Sender struct {
	server, host string
	from         stdmail.Address
	user         string
	password     string
	mode         Mode
	tls          *tls.Config
	hello        string
	timeout      time.Duration
	places       chan struct{}
}

// New makes a Sender, and refuses settings that cannot work, by their names. Nothing is sent yet.
func New(o Options) (*Sender, error) {
	host, err := hostOf(o.Server)
	if err != nil {
		return nil, err
	}
	from, err := sender(o.From)
	if err != nil {
		return nil, err
	}
	if o.TLS == "" {
		o.TLS = StartTLS
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	hello, err := helloName(o.HelloName)
	if err != nil {
		return nil, err
	}
	switch {
	case o.TLS != StartTLS && o.TLS != TLS && o.TLS != None:
		return nil, errors.New("mail-tls: it is starttls, tls or none")
	case (o.User == "") != (o.Password == ""):
		return nil, errors.New("mail-user and mail-password: give both or neither")
	case o.User != "" && o.TLS == None && !loopback(host):
		return nil, errors.New("mail-tls: with none, mail-password would go over the network as it is")
	case o.Timeout < 0 || o.Timeout > maxTimeout:
		return nil, fmt.Errorf("mail-timeout: it is at most %s", maxTimeout)
	}
	return &Sender{
		server: o.Server, host: host, from: from, user: o.User, password: o.Password, mode: o.TLS,
		tls:   &tls.Config{ServerName: host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		hello: hello, timeout: o.Timeout, places: make(chan struct{}, maxAtOnce),
	}, nil
}

// hostOf is the host of host:port.
func hostOf(server string) (string, error) {
	host, port, err := net.SplitHostPort(server)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || notNumber != nil || number == 0 || !hostName(host) {
		return "", errors.New("mail-server: it is the host and the port of a mail server, such as mail.example.com:587")
	}
	return host, nil
}

// hostName tells whether a text may be the name or the address of a host.
func hostName(text string) bool {
	if net.ParseIP(text) != nil {
		return true
	}
	name, err := domains.ToASCII(text)
	return err == nil && name == strings.ToLower(text)
}

// Domain is the domain of Options.From, which Message-IDs end with.
func Domain(from string) (string, error) {
	address, err := sender(from)
	if err != nil {
		return "", err
	}
	return address.Address[strings.LastIndexByte(address.Address, '@')+1:], nil
}

// sender is who mails are from.
func sender(from string) (stdmail.Address, error) {
	address, err := stdmail.ParseAddress(from)
	if err != nil {
		return stdmail.Address{}, errors.New("mail-from: it is an address, or a name and an address: " +
			"Example Railways <tickets@example.com>")
	}
	bare, err := CheckAddress(address.Address)
	if err != nil {
		return stdmail.Address{}, fmt.Errorf("mail-from: %w", err)
	}
	if len(address.Name) > maxName || strings.ContainsFunc(address.Name, unicode.IsControl) {
		return stdmail.Address{}, fmt.Errorf("mail-from: its name has at most %d bytes, and no control characters", maxName)
	}
	return stdmail.Address{Name: address.Name, Address: bare}, nil
}

// helloName is what the sender calls itself: RFC 5321 section 4.1.1.1.
func helloName(name string) (string, error) {
	if name != "" {
		literal := strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") &&
			net.ParseIP(strings.TrimPrefix(name[1:len(name)-1], "IPv6:")) != nil
		if !literal && !hostName(name) {
			return "", errors.New("mail-hello: it is the name of a host, or its address in brackets")
		}
		return name, nil
	}
	if name, err := os.Hostname(); err == nil && hostName(name) {
		return name, nil
	}
	return "localhost", nil
}

// loopback tells whether a host is this one.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Send sends a mail. nil: the server has taken it, and answers for it from here on. ErrRefused: it never will.
// ErrUnknown: it may have. Any other error: it has not, and the mail may be sent again. An error is an *Error. At most
// eight mails are under way at a time; others wait, until their contexts end.
func (s *Sender) Send(ctx context.Context, m *Mail) error {
	mail, err := compose(s.from, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return failed(ctx, stepPlace, ctx.Err())
	}
	return s.deliver(ctx, mail)
}
