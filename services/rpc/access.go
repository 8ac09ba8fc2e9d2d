package rpc

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// minSecret is as many characters as make a secret that cannot be guessed.
	minSecret = 32
	// maxSecrets are the old one and the new one, while they are changed.
	maxSecrets = 2
	// maxSecretFile bounds what is read of a file with secrets.
	maxSecretFile = 4 << 10
	bearer        = "Bearer "
)

// Secrets are what both sides know, one or two of them. The first is sent, all are taken: so they can be changed while
// everything runs.
type Secrets []string

// LoadSecrets reads a file with one secret a line.
func LoadSecrets(file string) (Secrets, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("%s: it is longer than %d bytes", file, maxSecretFile)
	}
	var secrets Secrets
	for line := range bytes.Lines(text) {
		secret := strings.TrimSpace(string(line))
		switch {
		case secret == "":
			continue
		case len(secret) < minSecret:
			return nil, fmt.Errorf("%s: a secret has at least %d characters", file, minSecret)
		case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("%s: a secret is printable ASCII without spaces", file)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return nil, fmt.Errorf("%s: it has a secret, or two while they are changed, each in a line; not %d", file,
			len(secrets))
	}
	return secrets, nil
}

// header is what a client sends.
func (s Secrets) header() string { return bearer + s[0] }

// match tells whether a header has one of the secrets. How long it takes says nothing of them.
func (s Secrets) match(header string) bool {
	given, ok := strings.CutPrefix(header, bearer)
	sum := sha256.Sum256([]byte(given))
	found := 0
	for _, secret := range s {
		want := sha256.Sum256([]byte(secret))
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return ok && found == 1
}

// Certificates are files in PEM form.
type Certificates struct {
	// Own and Key are the certificate that is shown to the other side, and its key.
	Own, Key string
	// CA has the authorities whose certificates are taken. "": for a Handler none is asked for, and a Client takes
	// those of the system.
	CA string
}

// server is the TLS configuration of a Handler. A certificate is asked for, and checked where there is one: a probe of
// health has none, and a call without one is refused.
func (c Certificates) server() (*tls.Config, error) {
	config, err := c.common()
	if err != nil || config == nil {
		return nil, err
	}
	if len(config.Certificates) == 0 {
		return nil, errors.New("TLS needs a certificate and its key")
	}
	if config.ClientCAs = config.RootCAs; config.ClientCAs != nil {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	config.RootCAs = nil
	return config, nil
}

// client is the TLS configuration of a Client.
func (c Certificates) client() (*tls.Config, error) {
	config, err := c.common()
	if config == nil && err == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS13}
	}
	return config, err
}

// common is what both have; nil where nothing is set.
func (c Certificates) common() (*tls.Config, error) {
	if c == (Certificates{}) {
		return nil, nil //nolint:nilnil // no TLS is one of the answers
	}
	if (c.Own == "") != (c.Key == "") {
		return nil, errors.New("a certificate and its key go together")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if c.Own != "" {
		own, err := tls.LoadX509KeyPair(c.Own, c.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: it has no certificate in PEM form", c.CA)
		}
	}
	return config, nil
}

// Access is who may call: who knows a secret, who has a certificate of the CA, or, where both are set, who has both.
type Access struct {
	Secrets      Secrets
	Certificates Certificates
}

// Closed tells whether callers are asked for anything. Where they are not, everybody who reaches the port may call.
func (a Access) Closed() bool {
	return len(a.Secrets) > 0 || a.Certificates.CA != "" && a.Certificates.Own != ""
}

// Allows tells whether a call with this header and TLS state is let in.
func (a Access) Allows(header string, state *tls.ConnectionState) bool {
	if len(a.Secrets) > 0 && !a.Secrets.match(header) {
		return false
	}
	return a.Certificates.CA == "" || state != nil && len(state.VerifiedChains) > 0
}
